/* The pairs that the device finds are those of the reference platform. */
#include "CommonGeometry.h"
#include "DeviceProbe.h"
#include "mlff_reference.h"
#include "openmm/common/ContextSelector.h"
#include <algorithm>
#include <random>

using namespace mlfftest;

static std::mt19937 generator(20261121);

static double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(generator);
}

static const double CUTOFF = 5, LONG = 8;  // angstrom

/* A pair of atoms by its vector; sorted by atoms, then by vector. */
struct Pair {
    int i, j;
    Vec3 r;  // angstrom
    bool operator<(const Pair& other) const {
        if (i != other.i || j != other.j)
            return i != other.i ? i < other.i : j < other.j;
        for (int d = 0; d < 3; d++)
            if (fabs(r[d]-other.r[d]) > 1e-2)
                return r[d] < other.r[d];
        return false;
    }
};

/* Atoms of a few regions on the device and on the host. */
struct Atoms {
    Device device;
    MLFFForce force;
    vector<int> region;
    vector<Vec3> position, box;
    bool periodic, single;
    std::unique_ptr<CommonDevice> common;
    std::unique_ptr<CommonGeometry> geometry;

    Atoms(int n, int numRegions, bool periodic, const string& precision) :
            device(n, periodic, precision), force(bundledModel()), box(3), periodic(periodic),
            single(precision == "single") {
        for (int r = 1; r < numRegions; r++)
            force.addRegion();
        for (int i = 0; i < n; i++) {
            region.push_back(generator()%numRegions);
            force.addAtom(i, 1, region[i]);
        }
        force.setUsesPeriodicBoundaryConditions(periodic);
        force.setCheckGeometry(false);  // atoms are anywhere
        position.resize(n);
        place(1.5);
        ContextSelector selector(device.compute());
        common.reset(new ProbedDevice(device.compute()));
        geometry.reset(new CommonGeometry(*common, device.system, force));
        geometry->readBox();
        geometry->initialize(CUTOFF, LONG);
    }
    ~Atoms() {
        ContextSelector selector(device.compute());
        geometry.reset();
    }

    /* Another box of about this size (nm), atoms in and around it. */
    void place(double size) {
        box[0] = Vec3(size*uniform(0.7, 1.3), 0, 0);
        box[1] = Vec3(box[0][0]*uniform(-0.5, 0.5), size*uniform(0.7, 1.3), 0);
        box[2] = Vec3(box[0][0]*uniform(-0.5, 0.5), box[1][1]*uniform(-0.5, 0.5),
                      size*uniform(0.7, 1.3));
        for (Vec3& p : position)
            p = box[0]*uniform(-1, 2)+box[1]*uniform(-1, 2)+box[2]*uniform(-1, 2);
        device.context->setPeriodicBoxVectors(box[0], box[1], box[2]);
        device.context->setPositions(position);
    }
    void move(double distance) {
        for (Vec3& p : position)
            p += Vec3(uniform(-1, 1), uniform(-1, 1), uniform(-1, 1))*distance;
        device.context->setPositions(position);
    }

    /* Row of the device -> atom. */
    int atomOf(int row) const {
        return std::find(geometry->row.begin(), geometry->row.end(), row)-geometry->row.begin();
    }
    vector<Pair> ofReference(double cutoff) const {
        vector<double> x;
        for (const Vec3& p : position)
            for (int d = 0; d < 3; d++)
                x.push_back(single ? 10*asFloat(p[d]) : 10*p[d]);
        double cell[3][3];
        for (int a = 0; a < 3; a++)
            for (int d = 0; d < 3; d++)
                cell[a][d] = 10*box[a][d];
        ref_pair_list list = {};
        mlff_error err;
        CHECK(ref_neighbors_build((int) position.size(),
                                  reinterpret_cast<const double (*)[3]>(x.data()), region.data(),
                                  periodic ? cell : nullptr, cutoff, &list, &err) == MLFF_OK);
        vector<Pair> pairs;
        for (int i = 0; i < list.n_atoms; i++)
            for (int e = list.first[i]; e < list.first[i+1]; e++)
                pairs.push_back({i, list.neighbor[e],
                                 Vec3(list.rij[e][0], list.rij[e][1], list.rij[e][2])});
        ref_pair_list_free(&list);
        std::sort(pairs.begin(), pairs.end());
        return pairs;
    }
    vector<Pair> ofDevice() {
        vector<int> count, neighbor;
        geometry->message.count.download(count);
        geometry->message.neighbor.download(neighbor);
        vector<mm_double4> vectors;
        geometry->message.vector.download(vectors, true);
        vector<Pair> pairs;
        for (size_t row = 0; row < position.size(); row++)
            for (int k = 0; k < count[row]; k++) {
                const size_t at = row*geometry->message.capacity+k;
                const mm_double4& v = vectors[at];
                CHECK_NEAR(sqrt(v.x*v.x+v.y*v.y+v.z*v.z), v.w, 1e-5);
                pairs.push_back({atomOf((int) row), atomOf(neighbor[at]), Vec3(v.x, v.y, v.z)});
            }
        std::sort(pairs.begin(), pairs.end());
        return pairs;
    }
    /* Pairs of the long-range list within its range, by number: the skin holds more. */
    size_t countLong() {
        vector<int> count;
        vector<mm_int2> entry;
        geometry->longRange.listCount.download(count);
        geometry->longRange.entry.download(entry);
        vector<mm_double4> x;
        geometry->atoms.position.download(x, true);
        size_t found = 0;
        for (size_t row = 0; row < position.size(); row++)
            for (int k = 0; k < count[row]; k++) {
                const mm_int2 e = entry[row*geometry->longRange.capacity+k];
                Vec3 r(x[e.x].x-x[row].x, x[e.x].y-x[row].y, x[e.x].z-x[row].z);
                r += box[0]*((e.y & 1023)-512)+box[1]*(((e.y >> 10) & 1023)-512)+
                     box[2]*((e.y >> 20)-512);
                found += (10*norm(r) < LONG);
            }
        return found;
    }

    /* Evaluate; true if the pairs of all lists are right. */
    bool check(double tolerance) {
        ContextSelector selector(device.compute());
        geometry->readBox();
        int rounds = 0;
        for (bool again = true; again; rounds++) {
            if (rounds > 5)
                return false;
            const bool wait = geometry->begin(LONG, 1, true);
            geometry->queue();
            again = wait && geometry->checkStatus() == CommonGeometry::Repeat;
        }
        geometry->postStatus();
        /* what lies on the cutoff may fall on either side */
        const vector<Pair> expected = ofReference(CUTOFF), found = ofDevice();
        size_t a = 0, b = 0;
        bool right = true;
        while (right && (a < expected.size() || b < found.size())) {
            const bool before = b == found.size() ||
                                (a < expected.size() && expected[a] < found[b]);
            const bool behind = a == expected.size() ||
                                (b < found.size() && found[b] < expected[a]);
            if (before)
                right = norm(expected[a++].r) > CUTOFF-tolerance;
            else if (behind)
                right = norm(found[b++].r) > CUTOFF-tolerance;
            else
                right = norm(expected[a++].r-found[b++].r) < tolerance;
        }
        if (right && geometry->longRange.kind == CommonPairs::List) {
            const double close = countLong();
            right = close >= ofReference(LONG-tolerance).size() &&
                    close <= ofReference(LONG+tolerance).size();
        }
        return right;
    }
};

static string precision = "mixed";

static void testBoxes(int n, int numRegions, bool periodic, int boxes) {
    Atoms atoms(n, numRegions, periodic, precision);
    const double tolerance = precision == "single" ? 2e-5 : 1e-5;
    for (int k = 0; k < boxes; k++) {
        atoms.place(n > 100 ? uniform(2.5, 3.5) : uniform(0.3, 2));
        CHECK(atoms.check(tolerance));
        for (double distance : {0.01, 0.02, 0.05, 0.3}) {  // within the skin, and beyond
            atoms.move(distance);
            CHECK(atoms.check(tolerance));
        }
    }
}

static void testOpen() {
    testBoxes(1, 1, false, 2);
    testBoxes(40, 1, false, 10);
    testBoxes(60, 7, false, 10);
    testBoxes(700, 1, false, 2);    // too many for the dense mode
}

static void testPeriodic() {
    testBoxes(1, 1, true, 10);
    testBoxes(17, 1, true, 40);
    testBoxes(64, 3, true, 20);
    testBoxes(2100, 2, true, 2);    // sorted into cells
}

PROBE_MAIN(int argc, char** argv) {
    precision = argc > 1 ? argv[1] : "mixed";
    loadPlugins();
    const string reason = whyNoDevice(precision);
    if (!reason.empty()) {
        printf("skipped: %s\n", reason.c_str());
        return CHECK_SKIPPED;
    }
    RUN(testOpen);
    RUN(testPeriodic);
    return check_report("pairs on the device");
}
