/*
 * Coulomb and dispersion on the device against ref_longrange_evaluate(): energies of each term,
 * dE/dq, forces at fixed charges. Pair lists come from the reference platform, so that nothing else
 * of the device has part in it. Tables of dispersion are made up; the published one is tried too
 * where it is at hand.
 */
#include "CommonLongRange.h"
#include "DeviceProbe.h"
extern "C" {
#include "../../platforms/reference/longrange/ref_longrange.h"
}
#include "mlff_reference.h"
#include "openmm/common/ContextSelector.h"
#include <algorithm>
#include <random>

using namespace mlfftest;

static const double MESSAGE_RANGE = 5, SKIN = 0.4;  // angstrom
static string precision = "mixed";
static std::unique_ptr<Device> device;  // what is in its Context does not matter
static std::mt19937 generator;

static double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(generator);
}

/* What a float holds of a number, so that both sides work on the same positions and charges. */
static double asInput(double x) {
    return precision == "single" ? asFloat(x) : x;
}

// ------------------------------------------------------------------------------ systems

struct Molecules {
    vector<int> species, region, first;
    vector<Vec3> x;         // nm
    vector<double> q;
    Vec3 box[3];            // nm
    bool periodic = false;

    int size() const {
        return (int) species.size();
    }
};

static const int ELEMENTS[] = {1, 6, 7, 8, 16};

static bool tooClose(const Molecules& m, int region, const Vec3& x) {
    for (int i = 0; i < m.size(); i++)
        for (int k = 0; k < 27; k++) {
            const Vec3 image = m.box[0]*(k%3-1)+m.box[1]*(k/3%3-1)+m.box[2]*(k/9-1);
            if (m.region[i] == region && norm(m.x[i]+(m.periodic ? image : Vec3())-x) < 0.1)
                return true;
        }
    return false;
}

/* Atoms of regions of these sizes, anywhere in and around a box of this size, nm. */
static Molecules makeMolecules(const vector<int>& sizes, bool periodic, double size) {
    Molecules m;
    m.periodic = periodic;
    m.box[0] = Vec3(size, 0, 0);
    m.box[1] = Vec3(0.31*size, 1.1*size, 0);
    m.box[2] = Vec3(-0.23*size, 0.17*size, 0.9*size);
    if (precision == "single")
        for (Vec3& v : m.box)
            v = asFloat(v);
    for (size_t r = 0; r < sizes.size(); r++) {
        m.first.push_back(m.size());
        for (int k = 0; k < sizes[r];) {
            Vec3 x = m.box[0]*uniform(0, 1)+m.box[1]*uniform(0, 1)+m.box[2]*uniform(0, 1);
            if (tooClose(m, (int) r, x))
                continue;
            if (periodic && k%5 == 0)
                x += m.box[0]-m.box[2];
            m.x.push_back(Vec3(asInput(x[0]), asInput(x[1]), asInput(x[2])));
            m.q.push_back(asInput(uniform(-0.7, 0.8)));
            m.species.push_back(ELEMENTS[generator()%5]);
            m.region.push_back((int) r);
            k++;
        }
    }
    m.first.push_back(m.size());
    return m;
}

/* A dispersion table of ELEMENTS. */
struct Table {
    mlff_dispersion_table table;
    vector<double> c6ref, cnref, rcov, r4r2;

    /* partners: reference coordination numbers depend on the partner's element too. */
    explicit Table(bool partners) : table() {
        enum {N = 5, R = MLFF_D3_REFERENCES};
        static const int used[N] = {2, 5, 4, 3, 3};
        static const double radius[N] = {0.8, 1.9, 1.8, 1.7, 2.5};
        for (int& row : table.row)
            row = -1;
        for (int i = 0; i < N; i++) {
            table.row[ELEMENTS[i]] = i;
            rcov.push_back(radius[i]);
            r4r2.push_back(2+0.7*i);
            for (int j = 0; j < N; j++)
                for (int p = 0; p < R; p++)
                    for (int s = 0; s < R; s++) {
                        const bool both = p < used[i] && s < used[j];
                        c6ref.push_back(both ? (4+3*i)*(4+3*j)/(1+0.2*p+0.2*s) : 0);
                        cnref.push_back(p < used[i] ? 0.97*p+(partners ? 0.03*j+0.01*s : 0) : -1);
                    }
        }
        table.n = N;
        table.c6ref = c6ref.data();
        table.cnref = cnref.data();
        table.rcov = rcov.data();
        table.r4r2 = r4r2.data();
    }
};

// ---------------------------------------------------------------------------- both sides

struct Result {
    double component[MLFF_N_COMPONENTS];
    vector<double> gradient;    // eV/e
    vector<Vec3> force;         // eV/angstrom
};

struct Worst {
    double energy = 0, gradient = 0, force = 0;     // as parts of what is allowed
    double energyError = 0, gradientError = 0, forceError = 0;
    int count = 0;
};
static std::map<string, Worst> worst;

static void copyPairs(const mlff_pairs& pairs, int n, vector<vector<int> >& rows) {
    rows.assign(n, {});
    for (int i = 0; i < n; i++)
        for (int p = pairs.first[i]; p < pairs.first[i+1]; p++)
            rows[i].push_back(p);
}

/* One system on the device, evaluated as often as wanted. */
class Evaluation {
public:
    Evaluation(const Molecules& m, const mlff_longrange& choices, bool list) :
            molecules(m), choices(choices), cc(device->compute()), common(cc),
            atoms(new CommonAtoms()) {
        ContextSelector selector(cc);
        createAtoms();
        longRange.reset(new CommonLongRange(common, *atoms, choices));
        const double range = longRange->getRange();
        message.kind = CommonPairs::Message;
        far.kind = list ? CommonPairs::List : CommonPairs::All;
        message.count.initialize<int>(cc, m.size(), "count");
        message.neighbor.initialize<int>(cc, 1, "neighbor");
        message.vector.initialize(cc, 1, 4*common.getRealSize(), "vector");
        far.listCount.initialize<int>(cc, m.size(), "count");
        far.entry.initialize<mm_int2>(cc, 1, "entry");
        message.capacity = far.capacity = 0;
        common.initializeReal(charge, m.size(), "charge");
        common.initializeReal(gradient, m.size(), "gradient");
        energies.initialize<long long>(cc, MLFF_N_COMPONENTS, "energies");
        longRange->initialize(message, range > 0 ? &far : nullptr, charge, gradient, energies);
    }
    ~Evaluation() {
        ContextSelector selector(cc);
        longRange.reset();
        atoms.reset();
        ref_longrange_work_free(&work);
    }

    void move(const Molecules& m) {
        molecules = m;
    }
    void setSpecies(const vector<int>& species) {
        ContextSelector selector(cc);
        molecules.species = atoms->species = species;
        longRange->updateParameters();
    }
    size_t getMemory() const {
        return longRange->getMemory();
    }
    /* Twice the same bits. */
    void checkRepeats() {
        ContextSelector selector(cc);
        Result expected, first, second;
        reference(expected);
        uploadPositions();
        evaluate(first, 1, true);
        uploadPositions();
        evaluate(second, 1, true);
        CHECK(std::equal(first.component, first.component+MLFF_N_COMPONENTS, second.component));
        CHECK(first.gradient == second.gradient);
        CHECK(first.force == second.force);
    }
    /* A charge that is not a number is told in the status. */
    void checkBroken() {
        ContextSelector selector(cc);
        Result expected;
        reference(expected);
        molecules.q[1] = NAN;
        uploadPositions();
        const CommonRequest request = {true, 1.0};
        longRange->execute(request);
        vector<int> status;
        atoms->status.download(status);
        CHECK(status[0] > 0);
    }

    /*
     * Two atoms along x: energies of the terms, eV, and the slope of their sum, eV/angstrom; scale:
     * the largest of the slopes that are summed up. Where one is beyond the limit of forces, the
     * status says so.
     */
    void checkPair(double full, double near, double distant, double slope, double scale,
                   bool exact) {
        ContextSelector selector(cc);
        uploadPositions();
        const double d = 10*molecules.x[1][0];
        const bool close = d < MESSAGE_RANGE;
        message.capacity = 2;
        message.neighbor.resize(4);
        message.vector.resize(4);
        message.count.upload(vector<int>(2, close));
        message.neighbor.upload(vector<int> {1, 0, 0, 0});
        message.vector.upload(vector<mm_double4> {{d, 0, 0, d}, {0, 0, 0, 0}, {-d, 0, 0, d},
                                                  {0, 0, 0, 0}}, true);
        longRange->execute({true, 1.0});
        checkTerms(full-selfEnergy(), near, distant, slope, scale, exact, 0);
    }
    /* The same of two atoms in a box; error: of the sum over images, eV. */
    void checkPeriodicPair(double full, double near, double slope, double scale, bool exact,
                           double error) {
        ContextSelector selector(cc);
        Result unused;
        uploadPositions();
        reference(unused);
        longRange->execute({true, 1.0});
        checkTerms(full, near, 0, slope, scale, exact, error);
    }
    void checkTerms(double full, double near, double distant, double slope, double scale,
                    bool exact, double error) {
        vector<long long> energy, force;
        vector<int> status;
        energies.download(energy);
        atoms->force.download(force);
        atoms->status.download(status);
        if (status[0] != 0) {
            CHECK(fabs(slope) > 0.99e6 || scale > 0.99e6);
            return;
        }
        CHECK(fabs(slope) < 1.01e6);
        const double part = exact ? 1e-9 : 2e-6;
        const double expected[] = {near, full, distant};
        const int component[] = {MLFF_COULOMB_SHORT, MLFF_COULOMB_FULL, MLFF_DISPERSION};
        for (int k = 0; k < 3; k++)
            CHECK_NEAR(expected[k], energy[component[k]]*pow(2.0, -36),
                       1e-10+error+part*(fabs(expected[k])+(k == 1 ? fabs(full)+0.2 : 0)));
        for (int i = 0; i < 2; i++)
            CHECK_NEAR((i == 0 ? 1 : -1)*slope, force[i]*pow(2.0, -40),
                       1e-10+error+part*(fabs(slope)+scale));
    }
    /* What DSF takes off for each charge, eV. */
    double selfEnergy() const {
        if (choices.coulomb != MLFF_COULOMB_DSF)
            return 0;
        const double a = choices.dsf_alpha, R = choices.dsf_cutoff;
        double sum = 0;
        for (double q : molecules.q)
            sum += q*q;
        return choices.model.coulomb_constant*sum*(erfc(a*R)/R/2+a/sqrt(acos(-1.0)));
    }

    /* Compare everything; name: for the summary. */
    void check(const string& name, double weight = 1, bool forces = true) {
        Result expected, found;
        ContextSelector selector(cc);
        uploadPositions();
        reference(expected);
        evaluate(found, weight, forces);
        const int n = molecules.size();
        Worst& w = worst[name];
        double energyError = 0, gradientError = 0, largestGradient = 0;
        for (int k = 0; k < MLFF_N_COMPONENTS; k++)
            energyError = std::max(energyError, fabs(expected.component[k]-found.component[k]));
        for (int i = 0; i < n; i++) {
            gradientError = std::max(gradientError, fabs(expected.gradient[i]-found.gradient[i]));
            largestGradient = std::max(largestGradient, fabs(expected.gradient[i]));
            expected.force[i] *= forces ? weight : 0;
        }
        const double forceError = largestDifference(expected.force, found.force);
        const bool exact = precision == "double";
        const double energyLimit = exact ? 1e-7 : 2e-6*n;
        const double gradientLimit = exact ? 1e-7 : std::max(2e-5, 2e-6*largestGradient);
        const double forceLimit = exact ? 1e-7 : 2e-5*std::max(1.0, largest(expected.force));
        CHECK_NEAR(0, energyError, energyLimit);
        CHECK_NEAR(0, gradientError, gradientLimit);
        CHECK_NEAR(0, forceError, forceLimit);
        if (!(energyError <= energyLimit && gradientError <= gradientLimit &&
              forceError <= forceLimit))
            printf("  of %s, %d atoms, %s\n", name.c_str(), n, molecules.periodic ? "periodic" :
                   "open");
        w.count++;
        w.energy = std::max(w.energy, energyError/energyLimit);
        w.gradient = std::max(w.gradient, gradientError/gradientLimit);
        w.force = std::max(w.force, forceError/forceLimit);
        w.energyError = std::max(w.energyError, energyError/(exact ? 1 : n));
        w.gradientError = std::max(w.gradientError, gradientError);
        w.forceError = std::max(w.forceError, forceError);
    }
private:
    void createAtoms() {
        const int n = molecules.size(), regions = (int) molecules.first.size()-1;
        atoms->numAtoms = n;
        atoms->numRegions = regions;
        atoms->periodic = molecules.periodic;
        atoms->species = molecules.species;
        atoms->region = molecules.region;
        atoms->regionFirst = molecules.first;
        atoms->largestRegion = 0;
        atoms->totalCharge.assign(regions, 0);
        atoms->multiplicity.assign(regions, 1);
        vector<mm_int2> ranges;
        for (int r = 0; r < regions; r++) {
            ranges.push_back(mm_int2(molecules.first[r], molecules.first[r+1]));
            atoms->largestRegion = std::max(atoms->largestRegion, ranges[r].y-ranges[r].x);
        }
        atoms->position.initialize(cc, n, 4*common.getExactSize(), "position");
        atoms->regionOfRow.initialize<int>(cc, n, "regionOfRow");
        atoms->regionRange.initialize<mm_int2>(cc, regions, "regionRange");
        atoms->force.initialize<long long>(cc, 3*n, "force");
        atoms->status.initialize<int>(cc, CommonAtoms::STATUS_SIZE, "status");
        atoms->regionOfRow.upload(atoms->region);
        atoms->regionRange.upload(ranges);
        atoms->frame.initialize(cc, CommonAtoms::FRAME_SIZE, 4*common.getExactSize(), "frame");
        for (int d = 0; d < 3; d++)
            atoms->box[d] = molecules.periodic ? molecules.box[d] : Vec3();
    }
    void uploadPositions() {
        const int n = molecules.size();
        vector<mm_double4> x;
        for (int i = 0; i < n; i++)
            x.push_back(mm_double4(molecules.x[i][0], molecules.x[i][1], molecules.x[i][2], 0));
        atoms->position.upload(x, true);
        vector<mm_double4> frame(CommonAtoms::FRAME_SIZE, mm_double4(0, 0, 0, 0));
        for (int d = 0; d < 3; d++) {
            const Vec3 v = atoms->box[d] = molecules.periodic ? molecules.box[d] : Vec3();
            frame[d] = mm_double4(v[0], v[1], v[2], 0);
        }
        atoms->frame.upload(frame, true);
        common.uploadReal(charge, molecules.q);
        energies.upload(vector<long long>(MLFF_N_COMPONENTS, 0));
        atoms->force.upload(vector<long long>(3*n, 0));
        atoms->status.upload(vector<int>(CommonAtoms::STATUS_SIZE, 0));
    }

    void uploadMessage(const mlff_pairs& pairs) {
        const int n = molecules.size();
        vector<vector<int> > rows;
        copyPairs(pairs, n, rows);
        vector<int> count;
        for (auto& row : rows) {
            count.push_back((int) row.size());
            message.capacity = std::max(message.capacity, (int) row.size()+1);
        }
        vector<int> neighbor(n*message.capacity, 0);
        vector<mm_double4> vectors(n*message.capacity, mm_double4(0, 0, 0, 0));
        for (int i = 0; i < n; i++)
            for (int k = 0; k < count[i]; k++) {
                const double* r = pairs.rij[rows[i][k]];
                neighbor[i*message.capacity+k] = pairs.neighbor[rows[i][k]];
                vectors[i*message.capacity+k] =
                    mm_double4(r[0], r[1], r[2], norm(Vec3(r[0], r[1], r[2])));
            }
        message.neighbor.resize(neighbor.size());
        message.vector.resize(vectors.size());
        message.count.upload(count);
        message.neighbor.upload(neighbor);
        message.vector.upload(vectors, true);
    }
    /* The lattice vector of a pair, as support.cc packs it. */
    int imageOf(int i, int j, const double* r) const {
        int word = 0;
        double per[3][3], cell[3][3];
        for (int a = 0; a < 3; a++)
            for (int d = 0; d < 3; d++)
                cell[a][d] = molecules.box[a][d];
        mlff_cell_reciprocal(cell, per);
        const Vec3 shift = Vec3(r[0], r[1], r[2])*0.1-(molecules.x[j]-molecules.x[i]);
        for (int a = 2; a >= 0; a--) {
            const double f = molecules.periodic ?
                per[a][0]*shift[0]+per[a][1]*shift[1]+per[a][2]*shift[2] : 0;
            word = word*1024+512+(int) lround(f);
        }
        return word;
    }
    void uploadFar(const mlff_pairs& pairs) {
        const int n = molecules.size();
        vector<vector<int> > rows;
        copyPairs(pairs, n, rows);
        vector<int> count;
        for (auto& row : rows) {
            count.push_back((int) row.size());
            far.capacity = std::max(far.capacity, (int) row.size()+3);
        }
        vector<mm_int2> entry(n*far.capacity, mm_int2(0, 0));
        for (int i = 0; i < n; i++)
            for (int k = 0; k < count[i]; k++) {
                const int p = rows[i][k], j = pairs.neighbor[p];
                entry[i*far.capacity+k] = mm_int2(j, imageOf(i, j, pairs.rij[p]));
            }
        far.entry.resize(entry.size());
        far.listCount.upload(count);
        far.entry.upload(entry);
    }

    /* The answer; leaves the pairs on the device. */
    void reference(Result& result) {
        const int n = molecules.size();
        vector<double> x;
        for (const Vec3& p : molecules.x)
            for (int d = 0; d < 3; d++)
                x.push_back(10*p[d]);
        double cell[3][3];
        for (int a = 0; a < 3; a++)
            for (int d = 0; d < 3; d++)
                cell[a][d] = 10*molecules.box[a][d];
        mlff_graph graph = {};
        graph.n_local = graph.n_all = n;
        graph.species = molecules.species.data();
        graph.n_regions = (int) molecules.first.size()-1;
        graph.region = molecules.region.data();
        graph.position = reinterpret_cast<const double (*)[3]>(x.data());
        graph.cell = molecules.periodic ? cell : nullptr;
        mlff_error err;
        double range;
        CHECK_OK(ref_longrange_pair_cutoff(&choices, &work, &graph, nullptr, &range, &err), err);
        if (range == INFINITY)
            CHECK(longRange->getRange() == INFINITY);
        else
            CHECK_NEAR(range, longRange->getRange(), 1e-9);
        ref_pair_list near = {}, distant = {};
        CHECK_OK(ref_neighbors_build(n, graph.position, graph.region, graph.cell, MESSAGE_RANGE,
                                     &near, &err), err);
        CHECK_OK(ref_neighbors_build(n, graph.position, graph.region, graph.cell, range+SKIN,
                                     &distant, &err), err);
        graph.message = ref_pair_list_view(&near);
        graph.long_range = ref_pair_list_view(&distant);
        uploadMessage(graph.message);
        if (far.kind == CommonPairs::List && range > 0)
            uploadFar(graph.long_range);

        vector<double> force(3*n, 0);
        mlff_result answer = {};
        answer.force = reinterpret_cast<double (*)[3]>(force.data());
        result.gradient.assign(n, 0);
        CHECK_OK(ref_longrange_evaluate(&choices, &work, &graph, nullptr, molecules.q.data(),
                                        result.gradient.data(), &answer, &err), err);
        std::copy(answer.component, answer.component+MLFF_N_COMPONENTS, result.component);
        for (int i = 0; i < n; i++)
            result.force.push_back(Vec3(force[3*i], force[3*i+1], force[3*i+2]));
        ref_pair_list_free(&near);
        ref_pair_list_free(&distant);
    }
    void evaluate(Result& result, double weight, bool forces) {
        const int n = molecules.size();
        const double energyScale = pow(2.0, -36), forceScale = pow(2.0, -40);
        common.uploadReal(gradient, vector<double>(n, 1e5));    // to be overwritten
        CommonRequest request = {forces, weight};
        longRange->execute(request);
        vector<long long> sums;
        energies.download(sums);
        for (int k = 0; k < MLFF_N_COMPONENTS; k++)
            result.component[k] = sums[k]*energyScale;
        atoms->force.download(sums);
        for (int i = 0; i < n; i++)
            result.force.push_back(Vec3(sums[i], sums[i+n], sums[i+2*n])*forceScale);
        common.downloadReal(gradient, result.gradient);
        vector<int> status;
        atoms->status.download(status);
        CHECK(std::count(status.begin(), status.end(), 0) == (int) status.size());
    }

    Molecules molecules;
    const mlff_longrange choices;
    ProbedContext& cc;
    ProbedDevice common;
    std::unique_ptr<CommonAtoms> atoms;
    CommonPairs message, far;
    ComputeArray charge, gradient, energies;
    std::unique_ptr<CommonLongRange> longRange;
    ref_longrange_work work = {};
};

// --------------------------------------------------------------------------------- walk

/* Value and derivative by the distance, of one pair, eV and eV/angstrom. */
struct Term {
    double value, slope;
};

/* ke q q'/d, as DSF shifts it where choices say so. */
static Term coulombOf(const mlff_longrange& c, double qq, double d) {
    const double ke = c.model.coulomb_constant*qq;
    if (c.coulomb == MLFF_COULOMB_SIMPLE)
        return {ke/d, -ke/(d*d)};
    const double a = c.dsf_alpha, R = c.dsf_cutoff, root = 2*a/sqrt(acos(-1.0));
    if (!(d < R))
        return {0, 0};
    const auto slope = [&](double r) {
        return -erfc(a*r)/(r*r)-root*exp(-a*a*r*r)/r;
    };
    return {ke*(erfc(a*d)/d-erfc(a*R)/R-(d-R)*slope(R)), ke*(slope(d)-slope(R))};
}

/*
 * Two charges x apart along an edge of a cube, and all their images, in a uniform background: by
 * Ewald's sum with a splitting of its own, both sums to 1e-17.
 *   psi(x) = sum_R erfc(a r)/r + 4 pi/V sum_k exp(-k^2/4a^2)/k^2 cos(k x) - pi/(V a^2)
 * where r = |x+R|; a charge with its own images: the same without R = 0, less 2a/sqrt(pi).
 */
static Term ewaldOf(const mlff_longrange& c, double q1, double q2, double x, double edge) {
    enum {WAVES = 13, IMAGES = 2};
    const double pi = acos(-1.0), a = 6/edge, V = edge*edge*edge, root = 2*a/sqrt(pi);
    double pair = -pi/(V*a*a), slope = 0, own = -pi/(V*a*a)-root;
    x -= edge*floor(x/edge+0.5);
    for (int i = -IMAGES; i <= IMAGES; i++)
        for (int j = -IMAGES; j <= IMAGES; j++)
            for (int k = -IMAGES; k <= IMAGES; k++) {
                const double dx = x+edge*i, r = sqrt(dx*dx+edge*edge*(j*j+k*k));
                const double R = edge*sqrt((double) (i*i+j*j+k*k));
                pair += erfc(a*r)/r;
                slope -= (erfc(a*r)/r+root*exp(-a*a*r*r))*dx/(r*r);
                own += R > 0 ? erfc(a*R)/R : 0;
            }
    for (int i = -WAVES; i <= WAVES; i++)
        for (int j = -WAVES; j <= WAVES; j++)
            for (int k = -WAVES; k <= WAVES; k++) {
                const double kx = 2*pi/edge*i, square = pow(2*pi/edge, 2)*(i*i+j*j+k*k);
                if (square == 0)
                    continue;
                const double w = 4*pi/V*exp(-square/(4*a*a))/square;
                pair += w*cos(kx*x);
                slope -= w*kx*sin(kx*x);
                own += w;
            }
    const double ke = c.model.coulomb_constant;
    return {ke*(q1*q2*pair+0.5*(q1*q1+q2*q2)*own), ke*q1*q2*slope};
}

/* -ke q q' h(d)/d, what the network has of it already. */
static Term shortRangeOf(const mlff_longrange& c, double qq, double d) {
    const double R = c.model.short_range_radius, t = d/R, pi = acos(-1.0);
    if (!(d < std::min(R, MESSAGE_RANGE)))
        return {0, 0};
    const bool cosine = c.model.short_range_envelope == MLFF_ENVELOPE_COSINE;
    const double h = cosine ? 0.5*(cos(pi*t)+1) : exp(1-1/(1-t*t));
    const double dh = cosine ? -0.5*pi/R*sin(pi*t) : -2*t/R/((1-t*t)*(1-t*t))*h;
    const double ke = c.model.coulomb_constant*qq;
    return {-ke*h/d, -ke*(dh*d-h)/(d*d)};
}

/* D3(BJ) of two atoms whose C6, hartree bohr^6, does not depend on their coordination. */
static Term dispersionOf(const mlff_longrange& c, double c6, double rr, double d) {
    const mlff_dispersion_damping& p = c.model.damping;
    const double b = MLFF_BOHR, r = d/b, r0 = p.a1*sqrt(rr)+p.a2;
    const double width = c.dispersion_cutoff-c.dispersion_on;
    const double t = std::min(std::max((d-c.dispersion_on)/width, 0.0), 1.0);
    const double sw = 1-t*t*t*(10-15*t+6*t*t), dsw = -30*t*t*(1-t)*(1-t)/width;
    const double n6 = pow(r, 6)+pow(r0, 6), n8 = pow(r, 8)+pow(r0, 8);
    const double D = p.s6/n6+p.s8*rr/n8;
    const double dD = -(p.s6*6*pow(r, 5)/n6/n6+p.s8*rr*8*pow(r, 7)/n8/n8)/b;
    return {-MLFF_HARTREE*c6*D*sw, -MLFF_HARTREE*c6*(dD*sw+D*dsw)};
}

// ------------------------------------------------------------------------------- choices

static mlff_longrange choose(mlff_coulomb coulomb, const mlff_dispersion_table* table,
                             bool periodic, mlff_envelope envelope = MLFF_ENVELOPE_EXP,
                             mlff_settings settings = {}) {
    mlff_longrange_model model = {};
    model.coulomb = true;
    model.coulomb_constant = MLFF_HARTREE*MLFF_BOHR;
    model.short_range_radius = 4.6;
    model.short_range_envelope = envelope;
    model.dispersion = table != nullptr;
    model.damping = {1, 0.3908, 0.566, 3.128};
    model.dispersion_cutoff = 15;
    model.table = table;
    settings.coulomb = coulomb;
    mlff_longrange choices;
    mlff_error err;
    CHECK_OK(mlff_longrange_resolve(&model, &settings, periodic, &choices, &err), err);
    return choices;
}

static string nameOf(mlff_coulomb coulomb, bool dispersion) {
    return string(mlff_coulomb_name(coulomb))+(dispersion ? " + D3" : "");
}

static void checkOnce(const Molecules& m, mlff_coulomb coulomb,
                      const mlff_dispersion_table* table, bool list,
                      mlff_envelope envelope = MLFF_ENVELOPE_EXP, mlff_settings settings = {}) {
    Evaluation evaluation(m, choose(coulomb, table, m.periodic, envelope, settings), list);
    evaluation.check(nameOf(coulomb, table != nullptr));
}

// --------------------------------------------------------------------------------- tests

/* Open regions, also of one atom; all pairs and lists; tables that factor and that do not. */
static void testOpen() {
    const Table plain(false), partners(true);
    const Molecules three = makeMolecules({1, 24, 61}, false, 1.2);
    const Molecules one = makeMolecules({150}, false, 1.6), atom = makeMolecules({1}, false, 1);
    for (const mlff_dispersion_table* table : {(const mlff_dispersion_table*) nullptr, &plain.table,
                                               &partners.table}) {
        checkOnce(three, MLFF_COULOMB_NONE, table, false);
        checkOnce(three, MLFF_COULOMB_SIMPLE, table, false);
        checkOnce(one, MLFF_COULOMB_SIMPLE, table, false);
        checkOnce(atom, MLFF_COULOMB_SIMPLE, table, false);
        checkOnce(three, MLFF_COULOMB_DSF, table, false);
        checkOnce(one, MLFF_COULOMB_DSF, table, true, MLFF_ENVELOPE_COSINE);
    }
}

/* Cutoffs inside the system: the switch of the dispersion, DSF's shift. */
static void testCutoffs() {
    const Table table(false);
    const Molecules m = makeMolecules({90}, false, 1.5);
    mlff_settings settings = {};
    settings.coulomb_cutoff = 6;
    settings.coulomb_alpha = 0.31;
    settings.dispersion_cutoff = 7.5;
    for (bool list : {false, true})
        checkOnce(m, MLFF_COULOMB_DSF, &table.table, list, MLFF_ENVELOPE_COSINE, settings);
    settings.coulomb_cutoff = 9;
    checkOnce(m, MLFF_COULOMB_DSF, &table.table, true, MLFF_ENVELOPE_EXP, settings);
    settings.coulomb_cutoff = settings.coulomb_alpha = 0;
    checkOnce(m, MLFF_COULOMB_SIMPLE, &table.table, false, MLFF_ENVELOPE_EXP, settings);
    checkOnce(m, MLFF_COULOMB_NONE, &table.table, true, MLFF_ENVELOPE_EXP, settings);
}

static const mlff_coulomb PERIODIC[] = {MLFF_COULOMB_NONE, MLFF_COULOMB_DSF, MLFF_COULOMB_EWALD,
                                        MLFF_COULOMB_PME};

/* Triclinic boxes with a net charge, one and several regions, boxes smaller than every range. */
static void testPeriodic() {
    const Table plain(false), partners(true);
    const Molecules large = makeMolecules({120}, true, 1.3), atom = makeMolecules({1}, true, 0.5);
    const Molecules tiny = makeMolecules({5}, true, 0.32);
    const Molecules three = makeMolecules({3, 30, 8}, true, 0.9);
    for (const Molecules& m : {large, atom, tiny, three})
        for (mlff_coulomb coulomb : PERIODIC) {
            checkOnce(m, coulomb, nullptr, true);
            checkOnce(m, coulomb, &plain.table, true, MLFF_ENVELOPE_COSINE);
            if (m.size() < 100)
                checkOnce(m, coulomb, &partners.table, true);
        }
}

/* A box that changes between evaluations, as a barostat's does: splitting and mesh follow. */
static void testChangingBox() {
    const Table table(false);
    for (mlff_coulomb coulomb : PERIODIC) {
        Molecules m = makeMolecules({40, 11}, true, 0.9);
        Evaluation evaluation(m, choose(coulomb, &table.table, true), true);
        for (double scale : {1.0, 1.3, 1.02, 0.85, 0.7, 1.6}) {
            Molecules scaled = m;
            for (Vec3& v : scaled.box)
                for (int d = 0; d < 3; d++)
                    v[d] = asInput(scale*v[d]);
            for (Vec3& x : scaled.x)
                for (int d = 0; d < 3; d++)
                    x[d] = asInput(scale*x[d]);
            evaluation.move(scaled);
            evaluation.check(nameOf(coulomb, true));
        }
    }
}

/* Other tolerances of the reciprocal sums. */
static void testTolerances() {
    const Molecules m = makeMolecules({60}, true, 1.0);
    for (double tolerance : {1e-3, 1e-8}) {
        mlff_settings settings = {};
        settings.ewald_tolerance = tolerance;
        for (mlff_coulomb coulomb : {MLFF_COULOMB_EWALD, MLFF_COULOMB_PME})
            checkOnce(m, coulomb, nullptr, true, MLFF_ENVELOPE_EXP, settings);
    }
}

/* Two atoms from contact to a meter: every term has the value of its formula. */
static void walk(mlff_coulomb coulomb, mlff_envelope envelope, bool dispersion) {
    enum {N = 5, R = MLFF_D3_REFERENCES};
    Table table(false);
    for (double& c6 : table.c6ref)
        c6 = (c6 != 0 ? 40 : 0);    // whatever the coordination
    table.table.c6ref = table.c6ref.data();
    const mlff_longrange choices = choose(coulomb, dispersion ? &table.table : nullptr, false,
                                          envelope);
    Molecules m = makeMolecules({2}, false, 1.0);
    m.species = {8, 1};
    m.q = {0.5, -0.25};
    m.x[0] = Vec3(0, 0, 0);
    m.x[1] = Vec3(0.3, 0, 0);
    Evaluation evaluation(m, choices, false);
    const double qq = m.q[0]*m.q[1], rr = 3*table.r4r2[0]*table.r4r2[3];
    const bool exact = precision == "double";
    for (int k = 0; k <= 150; k++) {
        const double d = pow(10, -5+0.1*k);     // angstrom
        m.x[1] = Vec3(0.1*d, 0, 0);
        evaluation.move(m);
        const Term full = coulombOf(choices, qq, d), near = shortRangeOf(choices, qq, d);
        const Term far = dispersion ? dispersionOf(choices, 40, rr, d) : Term {0, 0};
        const double force = full.slope+near.slope+far.slope;
        evaluation.checkPair(full.value, near.value, far.value, force,
                             std::max(fabs(full.slope), fabs(near.slope)), exact);
    }
}

/* The same through a periodic box and 500 boxes on: Ewald's sum, by itself and with PME. */
static void walkThroughBoxes(mlff_coulomb coulomb, double tolerance) {
    const double edge = 20;                     // angstrom
    mlff_settings settings = {};
    settings.ewald_tolerance = tolerance;
    const mlff_longrange choices = choose(coulomb, nullptr, true, MLFF_ENVELOPE_EXP, settings);
    Molecules m = makeMolecules({2}, true, 0.1*edge);
    m.box[0] = Vec3(0.1*edge, 0, 0);
    m.box[1] = Vec3(0, 0.1*edge, 0);
    m.box[2] = Vec3(0, 0, 0.1*edge);
    m.q = {0.5, -0.25};
    m.x[0] = Vec3(0, 0, 0);
    m.x[1] = Vec3(0.3, 0, 0);
    Evaluation evaluation(m, choices, true);
    vector<double> distances = {edge/2, 0.75*edge, 1.23*edge, 77.7*edge, 499.9*edge};
    for (int k = 0; k <= 65; k++)
        distances.push_back(pow(10, -5+0.1*k));
    for (double wanted : distances) {
        m.x[1] = Vec3(asInput(0.1*wanted), 0, 0);
        evaluation.move(m);
        const double x = 10*m.x[1][0], nearest = x-edge*floor(x/edge+0.5), d = fabs(nearest);
        const double side = nearest < 0 ? -1 : 1;
        const Term full = ewaldOf(choices, m.q[0], m.q[1], x, edge);
        const Term near = shortRangeOf(choices, m.q[0]*m.q[1], d);
        // of the sums; and float's rounding of d
        const double error = choices.model.coulomb_constant*tolerance+
                             (precision == "double" ? 0 : 1.2e-7*d*fabs(near.slope));
        evaluation.checkPeriodicPair(full.value, near.value, full.slope+side*near.slope,
                                     std::max(fabs(full.slope), fabs(near.slope)),
                                     precision == "double", error);
    }
}

static void testWalkThroughBoxes() {
    walkThroughBoxes(MLFF_COULOMB_EWALD, 1e-12);
    walkThroughBoxes(MLFF_COULOMB_PME, 1e-6);
}

static void testWalk() {
    for (bool dispersion : {false, true}) {
        walk(MLFF_COULOMB_SIMPLE, MLFF_ENVELOPE_EXP, dispersion);
        walk(MLFF_COULOMB_DSF, MLFF_ENVELOPE_COSINE, dispersion);
    }
}

/* The weight is the forces' alone; no forces are added where none are wanted. */
static void testRequests() {
    const Table table(false);
    const Molecules open = makeMolecules({30}, false, 0.9), box = makeMolecules({30}, true, 0.9);
    Evaluation simple(open, choose(MLFF_COULOMB_SIMPLE, &table.table, false), false);
    simple.check("Simple + D3", 0.25);
    simple.check("Simple + D3", 0.25, false);
    for (mlff_coulomb coulomb : PERIODIC) {
        Evaluation evaluation(box, choose(coulomb, &table.table, true), true);
        evaluation.check(nameOf(coulomb, true), 0.25);
        evaluation.check(nameOf(coulomb, true), 0.25, false);
    }
}

static void testRepeats() {
    const Table table(false);
    const Molecules open = makeMolecules({30}, false, 0.9);
    const Molecules box = makeMolecules({30, 9}, true, 0.9);
    Evaluation simple(open, choose(MLFF_COULOMB_SIMPLE, &table.table, false), false);
    simple.checkRepeats();
    simple.checkBroken();
    for (mlff_coulomb coulomb : {MLFF_COULOMB_DSF, MLFF_COULOMB_EWALD, MLFF_COULOMB_PME}) {
        Evaluation evaluation(box, choose(coulomb, &table.table, true), true);
        evaluation.checkRepeats();
        evaluation.checkBroken();
    }
}

/* What is held: tables and an atom's records, whatever the box. */
static void testMemory() {
    const Table table(false);
    const Molecules m = makeMolecules({60}, true, 1.0);
    for (mlff_coulomb coulomb : {MLFF_COULOMB_NONE, MLFF_COULOMB_DSF}) {
        Evaluation plain(m, choose(coulomb, nullptr, true), true);
        CHECK(plain.getMemory() == 0);
        Evaluation dispersion(m, choose(coulomb, &table.table, true), true);
        CHECK(dispersion.getMemory() > 60*100 && dispersion.getMemory() < 60*1000);
    }
    Evaluation pme(m, choose(MLFF_COULOMB_PME, nullptr, true), true);
    const size_t before = pme.getMemory();
    pme.check("PME");
    CHECK(pme.getMemory() > before);
}

/* Other elements, more of them and fewer. */
static void testSpecies() {
    const Table table(false);
    Molecules m = makeMolecules({40}, false, 1.0);
    vector<int> carbon(40, 6), mixed = m.species;
    m.species = carbon;
    Evaluation evaluation(m, choose(MLFF_COULOMB_DSF, &table.table, false), true);
    evaluation.check("DSF + D3");
    evaluation.setSpecies(mixed);
    evaluation.check("DSF + D3");
    evaluation.setSpecies(carbon);
    evaluation.check("DSF + D3");
    CHECK_THROWS("atomic number 79", evaluation.setSpecies(vector<int>(40, 79)));
}

/* The published table of dispersion; its references do not depend on the partner. */
static void testPublishedTable() {
    const char* path = check_path("MLFF_SHARED", "models/aimnet2_wb97m_d3_member0.safetensors");
    if (!check_file_exists(path)) {
        printf("skipped: the published dispersion table (MLFF_SHARED)\n");
        return;
    }
    mlff_model* model;
    mlff_error err;
    CHECK_OK(mlff_model_load(path, &model, &err), err);
    const mlff_dispersion_table* table = mlff_model_longrange(model)->table;
    for (int round = 0; round < 3; round++) {
        checkOnce(makeMolecules({140}, false, 1.3), MLFF_COULOMB_SIMPLE, table, false);
        checkOnce(makeMolecules({60}, true, 0.9+0.1*round), MLFF_COULOMB_DSF, table, true);
    }
    mlff_model_free(model);
}

static void report() {
    printf("%-14s %5s   %-31s   largest part of the tolerance\n", precision.c_str(), "cases",
           precision == "double" ? "errors: eV, eV/e, eV/A" : "errors: eV/atom, eV/e, eV/A");
    for (auto& item : worst) {
        const Worst& w = item.second;
        printf("%-14s %5d   %-9.2g  %-9.2g  %-9.2g   %-6.2g  %-6.2g  %-6.2g\n", item.first.c_str(),
               w.count, w.energyError, w.gradientError, w.forceError, w.energy, w.gradient,
               w.force);
    }
}

PROBE_MAIN(int argc, char** argv) {
    precision = argc > 1 ? argv[1] : "mixed";
    generator.seed(20261121);
    loadPlugins();
    const string reason = whyNoDevice(precision);
    if (!reason.empty()) {
        printf("skipped: %s\n", reason.c_str());
        return CHECK_SKIPPED;
    }
    device.reset(new Device(1, true, precision));
    RUN(testOpen);
    RUN(testCutoffs);
    RUN(testPeriodic);
    RUN(testChangingBox);
    RUN(testTolerances);
    RUN(testWalk);
    RUN(testWalkThroughBoxes);
    RUN(testRequests);
    RUN(testRepeats);
    RUN(testMemory);
    RUN(testSpecies);
    RUN(testPublishedTable);
    device.reset();
    report();
    return check_report("Coulomb and dispersion on the device");
}
