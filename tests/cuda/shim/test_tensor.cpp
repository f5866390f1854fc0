/*
 * Dense layers as CUDA's tensor cores compute them, executed by the shim, against the same in
 * double. Every tile in each arithmetic; the ordinary tile too, so that the test itself is tested.
 *
 * What a sum may be off follows from the numbers' formats (Sum::error()); beside that, what a study
 * with these roundings found for whole networks (docs/decisions.md, "On tensor cores").
 */
#include "shim.h"
#include "CommonTensor.h"
#include "dense_kernels.h"
#include "check.h"
#include <random>
#include <string>
#include <vector>

using OpenMM::CommonTensor;
using std::vector;

#define SET(name) extern const DenseKernels name;
#include "sets.h"
#undef SET
#define SET(name) &name,
static const DenseKernels* const SETS[] = {
#include "sets.h"
};

enum {GA = MODEL_G*MODEL_A, NUM_STATUS = 11, RANGE = 10, NOT_FINITE = 0, BLOCKS = 3};
static const double EPS = std::ldexp(1.0, -24);     // what rounding to float loses, at most
static const float UNTOUCHED = -12345;

static const DenseKernels* kernels;     // the set under test
static std::mt19937 generator(20);
static vector<int> status(NUM_STATUS);

static vector<float> randoms(size_t size, double low = -1, double high = 1) {
    std::uniform_real_distribution<double> uniform(low, high);
    vector<float> values(size);
    for (float& value : values)
        value = (float) uniform(generator);
    return values;
}

template <class Call> static void run(Call call) {
    std::fill(status.begin(), status.end(), 0);
    launch(BLOCKS, kernels->threads, call);
}

// ------------------------------------------------------------------------------------ sums

/* A sum of products in double, and how far off ours may be. */
struct Sum {
    double value = 0, size = 0;     // size: sum of absolute products
    int terms = 0;
    void add(double x, double w) {
        value += x*w;
        size += std::fabs(x*w);
        terms++;
    }
    /*
     * Pairs: an operand keeps 22 bits, product low low is left out, two cut-offs in a group of 32,
     * one rounding for each group. TF32: 11 bits of an operand. The joining of parts: 8 at most.
     */
    double error() const {
        const double adding = (terms/32+10)*EPS;
        switch (kernels->arithmetic) {
            case PAIRS:
                return size*(8*EPS+adding);
            case TF32:
                return size*(2.01*std::ldexp(1.0, -11)+4*EPS+adding);
            default:
                return size*(terms+10)*EPS;
        }
    }
};

/* One linear map: its weights in double and as the kernels read them. */
struct Map {
    int numIn, numOut;
    vector<float> w, bias;              // [numOut][numIn], [numOut]
    vector<unsigned int> forward, reverse;
    Map(int numIn, int numOut, double low = -1, double high = 1) : numIn(numIn), numOut(numOut),
            w(randoms((size_t) numIn*numOut, low, high)), bias(randoms(numOut)) {
        vector<double> ours(w.begin(), w.end()), turned(w.size());
        for (int o = 0; o < numOut; o++)
            for (int i = 0; i < numIn; i++)
                turned[(size_t) i*numOut+o] = w[(size_t) o*numIn+i];
        forward = pack(ours, turned, numOut, numIn);
        reverse = pack(turned, ours, numIn, numOut);
    }
    static vector<unsigned int> pack(const vector<double>& rows, const vector<double>& turned,
                                     int numColumns, int numTerms) {
        if (kernels->arithmetic != REAL)
            return CommonTensor::pack(rows, numColumns, numTerms, kernels->arithmetic == PAIRS);
        vector<unsigned int> plain;
        for (double value : turned)
            plain.push_back(__float_as_uint((float) value));
        return plain;
    }
    static const float* words(const vector<unsigned int>& packed) {
        return (const float*) packed.data();
    }
    Sum forwardSum(const float* x, int column) const {
        Sum sum;
        for (int i = 0; i < numIn; i++)
            sum.add(x[i], w[(size_t) column*numIn+i]);
        return sum;
    }
    Sum reverseSum(const vector<double>& gradY, int column) const {
        Sum sum;
        for (int o = 0; o < numOut; o++)
            sum.add(gradY[o], w[(size_t) o*numIn+column]);
        return sum;
    }
};

static double gelu(double z, double* slope) {
    const double phi = 0.5*std::erfc(-z*std::sqrt(0.5));
    *slope = phi+z*std::exp(-0.5*z*z)/std::sqrt(2*std::acos(-1.0));
    return z*phi;
}

/* Differences over many sums: the largest of them, beside what each may be. */
struct Differences {
    const char* what;
    double most = 0, allowed = 0, largest = 0;
    int wrong = 0, count = 0;
    explicit Differences(const char* what) : what(what) {
    }
    /* scale: of the sum behind the value, where that is another */
    void add(double expected, double found, double tolerance, double scale = 0) {
        const double difference = std::fabs(found-expected);
        wrong += !(difference <= tolerance);
        most = difference <= most ? most : difference;
        largest = std::max({largest, std::fabs(expected), std::fabs(scale)});
        count++;
    }
    ~Differences() {
        check_count++;
        // of the largest, as the study has it for whole layers
        const double usual = kernels->arithmetic == TF32 ? 2e-3 : 4e-7;
        if (wrong > 0 || count == 0 || !(most <= usual*largest+2e-7))
            CHECK_SAY("%s, tile %d x %d, arithmetic %d: %d of %d wrong, largest difference %.3g "
                      "of %.3g", what, kernels->rows, kernels->columns, (int) kernels->arithmetic,
                      wrong, count, most, largest);
    }
};

// --------------------------------------------------------------------------------- kernels

static void testForward(int rows, int numIn, int numOut, bool activate, bool keep) {
    const Map map(numIn, numOut);
    const int xStride = numIn+3, yStride = numOut+1, slopeStride = numOut+2;
    const vector<float> x = randoms((size_t) rows*xStride);
    vector<float> y((size_t) rows*yStride, UNTOUCHED), slope((size_t) rows*slopeStride, UNTOUCHED);
    run([&] {
        kernels->forward(rows, numIn, numOut, x.data(), xStride, Map::words(map.forward),
                         map.bias.data(), activate, keep, y.data(), yStride, slope.data(),
                         slopeStride, status.data());
    });
    Differences values("forward"), slopes("slope");
    for (int r = 0; r < rows; r++) {
        for (int o = 0; o < numOut; o++) {
            const Sum sum = map.forwardSum(&x[r*xStride], o);
            const float found = slope[r*slopeStride+o];
            const double z = sum.value+map.bias[o], error = sum.error()+2*EPS*std::fabs(z);
            double derivative = UNTOUCHED, value = z;
            if (activate)
                value = gelu(z, &derivative);
            values.add(value, y[r*yStride+o], 1.2*error+8*EPS*(1+std::fabs(value)));
            slopes.add(activate && keep ? derivative : UNTOUCHED, found, 0.9*error+8*EPS,
                       z);
        }
        CHECK(y[r*yStride+numOut] == UNTOUCHED && slope[r*slopeStride+numOut] == UNTOUCHED);
    }
    CHECK(status == vector<int>(NUM_STATUS, 0));
}

static void testReverse(int rows, int numIn, int numOut, int firstColumn, bool hasSlope,
                        bool oneRow) {
    const Map map(numIn, numOut);
    const int yStride = oneRow ? 0 : numOut+3, xStride = numIn+1, slopeStride = numOut+2;
    const vector<float> gradY = randoms((size_t) rows*yStride+numOut);
    const vector<float> slope = randoms((size_t) rows*slopeStride);
    vector<float> gradX((size_t) rows*xStride, UNTOUCHED);
    run([&] {
        kernels->reverse(rows, numIn, numOut, firstColumn, gradY.data(), yStride, hasSlope,
                         slope.data(), slopeStride, Map::words(map.reverse), gradX.data(), xStride,
                         status.data());
    });
    Differences values("reverse");
    for (int r = 0; r < rows; r++) {
        vector<double> grad(numOut);
        for (int o = 0; o < numOut; o++)
            grad[o] = (hasSlope ? gradY[r*yStride+o]*slope[r*slopeStride+o] : gradY[r*yStride+o]);
        for (int i = 0; i < firstColumn; i++)
            CHECK(gradX[r*xStride+i] == UNTOUCHED);
        for (int i = firstColumn; i < numIn; i++) {
            const Sum sum = map.reverseSum(grad, i);
            values.add(sum.value, gradX[r*xStride+i], sum.error());
        }
        CHECK(gradX[r*xStride+numIn] == UNTOUCHED);
    }
    CHECK(status == vector<int>(NUM_STATUS, 0));
}

/* Rows of two regions, the first a third of them. */
struct Regions {
    vector<int> ofRow;
    vector<float> scale = {1073741824.0f, 536870912.0f};
    explicit Regions(int rows) {
        for (int r = 0; r < rows; r++)
            ofRow.push_back(3*r >= rows);
    }
};

static void testUpdate(int rows, int numIn, bool first) {
    enum {OUT = GA+2*MODEL_Q};
    const Map map(numIn, OUT);
    const Regions regions(rows);
    const int stride = numIn+1;
    vector<int> species;
    for (int r = 0; r < rows; r++)
        species.push_back((r*5)%7);
    const vector<float> x = randoms((size_t) rows*stride), charge = randoms(rows*MODEL_Q);
    const vector<float> a = randoms((size_t) std::max(rows, 7)*GA);
    vector<float> newA(rows*GA), state(rows*2*MODEL_Q), slope(rows*OUT);
    vector<Fixed> sums(2*3*MODEL_Q, 0);
    run([&] {
        kernels->update(rows, numIn, x.data(), stride, Map::words(map.forward), map.bias.data(), 1,
                        1, slope.data(), OUT, a.data(), first, species.data(), charge.data(),
                        !first, newA.data(), state.data(), regions.ofRow.data(),
                        regions.scale.data(), sums.data(), status.data());
    });
    Differences features("features"), charges("charges"), slopes("slope of an update");
    vector<double> expected(sums.size(), 0), error(sums.size(), 0);
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < OUT; o++) {
            const Sum sum = map.forwardSum(&x[r*stride], o);
            const double z = sum.value+map.bias[o];
            double derivative, value = gelu(z, &derivative);
            const double tolerance = 1.2*sum.error()+10*EPS*(2+std::fabs(value));
            slopes.add(derivative, slope[r*OUT+o], 0.9*sum.error()+10*EPS, z);
            if (o < GA) {
                features.add(value+a[(first ? species[r] : r)*GA+o], newA[r*GA+o], tolerance);
                continue;
            }
            const int k = o-GA, place = regions.ofRow[r]*3*MODEL_Q+k;
            if (!first && k < MODEL_Q)
                value += charge[r*MODEL_Q+k];
            charges.add(value, state[r*2*MODEL_Q+k], tolerance);
            expected[place] += k < MODEL_Q ? value : value*value;
            error[place] += tolerance*(k < MODEL_Q ? 1 : 2*std::fabs(value)+tolerance)+1e-8;
        }
    for (size_t i = 0; i < sums.size(); i++)
        CHECK_NEAR(expected[i], (double) (long long) sums[i]/regions.scale[i/(3*MODEL_Q)],
                   error[i]);
    CHECK(status == vector<int>(NUM_STATUS, 0));
}

static void testUpdateReverse(int rows, int numIn, int firstColumn, bool hasSlope) {
    enum {OUT = GA+2*MODEL_Q, SUMS = 3*MODEL_Q};
    const Map map(numIn, OUT);
    const Regions regions(rows);
    const int stride = numIn+2;
    const vector<float> gradA = randoms(rows*GA), gradCharge = randoms(rows*MODEL_Q);
    const vector<float> slope = randoms(rows*OUT), state = randoms(rows*2*MODEL_Q);
    vector<float> gradX((size_t) rows*stride, UNTOUCHED);
    vector<long long> total(2*MODEL_Q);
    vector<Fixed> sums(2*SUMS);
    for (int m = 0; m < 2; m++)
        for (int k = 0; k < SUMS; k++) {
            const double value = k < MODEL_Q ? 0.3*k-0.7 : k < 2*MODEL_Q ? 1.5+k : 0.4*k;
            sums[m*SUMS+k] = (Fixed) (long long) (value*regions.scale[m]);
            total[m*MODEL_Q+k%MODEL_Q] = (long long) (m-1.0)*(long long) regions.scale[m];
        }
    run([&] {
        kernels->updateReverse(rows, numIn, firstColumn, gradA.data(), gradCharge.data(), hasSlope,
                               slope.data(), OUT, Map::words(map.reverse), gradX.data(), stride,
                               state.data(), regions.ofRow.data(), regions.scale.data(),
                               total.data(), sums.data(), status.data());
    });
    Differences values("reverse update");
    for (int r = 0; r < rows; r++) {
        const int m = regions.ofRow[r];
        const double scale = regions.scale[m];
        vector<double> grad(gradA.begin()+r*GA, gradA.begin()+(r+1)*GA);
        grad.resize(OUT);
        for (int k = 0; k < MODEL_Q; k++) {
            const double weight = (double) sums[m*SUMS+MODEL_Q+k]/scale+MODEL_EPSILON;
            const double lack = (double) (total[m*MODEL_Q+k]-(long long) sums[m*SUMS+k])/scale;
            const double gp = gradCharge[r*MODEL_Q+k]-
                              (double) (long long) sums[m*SUMS+2*MODEL_Q+k]/scale/weight;
            grad[GA+k] = gp;
            grad[GA+MODEL_Q+k] = 2*state[(r*2+1)*MODEL_Q+k]*lack/weight*gp;
        }
        if (hasSlope)
            for (int o = 0; o < OUT; o++)
                grad[o] *= slope[r*OUT+o];
        for (int i = 0; i < numIn; i++) {
            const Sum sum = map.reverseSum(grad, i);
            if (i < firstColumn)
                CHECK(gradX[r*stride+i] == UNTOUCHED);
            else
                values.add(sum.value, gradX[r*stride+i], sum.error()+8*EPS*sum.size);
        }
    }
    CHECK(status == vector<int>(NUM_STATUS, 0));
}

static void testReadout(int rows, int numIn, int numOut) {
    const Map map(numIn, numOut);
    const vector<float> x = randoms((size_t) rows*numIn), readout = randoms(numOut);
    const vector<float> readoutBias = randoms(1);
    vector<float> slope((size_t) rows*numOut);
    vector<Fixed> energy(1, 0);
    run([&] {
        kernels->readout(rows, numIn, numOut, x.data(), numIn, Map::words(map.forward),
                         map.bias.data(), 1, 1, slope.data(), numOut, readout.data(),
                         readoutBias.data(), energy.data(), status.data());
    });
    Differences slopes("slope of the readout");
    double expected = (double) rows*readoutBias[0], tolerance = rows*1e-6;
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < numOut; o++) {
            const Sum sum = map.forwardSum(&x[(size_t) r*numIn], o);
            const double z = sum.value+map.bias[o];
            double derivative;
            const double value = gelu(z, &derivative);
            expected += value*readout[o];
            tolerance += (1.2*sum.error()+20*EPS*(1+std::fabs(value)))*std::fabs(readout[o]);
            slopes.add(derivative, slope[(size_t) r*numOut+o], 0.9*sum.error()+8*EPS, z);
        }
    CHECK_NEAR(expected, (double) (long long) energy[0]/68719476736.0, tolerance);
    CHECK(status == vector<int>(NUM_STATUS, 0));
}

/* An operand that halves cannot hold, anywhere, is noted; one that they can is not. */
static void testRange() {
    enum {ROWS = 21, IN = 70, OUT = 10};
    const Map map(IN, OUT, -0.1, 0.1);
    const vector<float> good = randoms(ROWS*IN), ones(ROWS*IN, 1);
    vector<float> out(ROWS*IN), slope(1);
    int place = 0;
    const auto rangeAfter = [&](float value, bool reverse) {
        vector<float> x(good);
        x[17*(reverse ? OUT : IN)+place] = value;
        run([&] {
            if (reverse)
                kernels->reverse(ROWS, IN, OUT, 0, x.data(), OUT, 1, ones.data(), OUT,
                                 Map::words(map.reverse), out.data(), IN, status.data());
            else
                kernels->forward(ROWS, IN, OUT, x.data(), IN, Map::words(map.forward),
                                 map.bias.data(), 0, 0, out.data(), OUT, slope.data(), 1,
                                 status.data());
        });
        return status[RANGE];
    };
    const int noted = kernels->arithmetic == PAIRS ? 1 : 0;
    for (int reverse = 0; reverse < 2; reverse++) {
        place = reverse ? 9 : 25;       // in the first half of a word, and in the second
        CHECK(rangeAfter(29999, reverse) == 0);
        for (float value : {30001.0f, -30001.0f, 1e38f, -INFINITY, NAN})
            CHECK(rangeAfter(value, reverse) == noted);
    }
}

/* Sums of one sign: cutting off shows as a bias, which does not average out over many. */
static void testBias() {
    enum {ROWS = 16, IN = 736, OUT = 16};
    const Map map(IN, OUT, 0.1, 1);
    const vector<float> x = randoms(ROWS*IN, 0.1, 1);
    const vector<float> none(OUT, 0);
    vector<float> y(ROWS*OUT), slope(1);
    run([&] {
        kernels->forward(ROWS, IN, OUT, x.data(), IN, Map::words(map.forward), none.data(), 0, 0,
                         y.data(), OUT, slope.data(), 1, status.data());
    });
    double bias = 0;
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            const double expected = map.forwardSum(&x[r*IN], o).value;
            bias += (y[r*OUT+o]-expected)/expected/(ROWS*OUT);
        }
    // two cut-offs in each group of 32, of half a last bit on average: 1.2e-7 at most
    const double allowed = kernels->arithmetic == TF32 ? 2e-5 : 1.3e-7;
    CHECK_NEAR(0, bias, allowed);
    if (getenv("MLFF_VERBOSE"))
        printf("tile %d x %d, arithmetic %d: bias %.2g\n", kernels->rows, kernels->columns,
               (int) kernels->arithmetic, bias);
}

// --------------------------------------------------------------------------------- numbers

/* Two ways to round to halves: of the host, and of the shim. */
static void testNumbers() {
    int wrong = 0;
    for (unsigned int half = 0; half < 0x7c00; half++) {
        const double value = CommonTensor::fromHalf(half);
        const double between = (value+(half < 0x7bff ? CommonTensor::fromHalf(half+1) : 65536))/2;
        wrong += value != firstHalf(half) || value != secondHalf(half << 16);
        wrong += CommonTensor::toHalf(value) != half || CommonTensor::toHalf(-value) != (half|0x8000);
        for (float x : {(float) value, (float) between, std::nextafterf((float) between, 0.0f),
                        std::nextafterf((float) between, 1e9f), (float) -between})
            wrong += CommonTensor::toHalf(x) != (packHalves(x, 0) & 0xffff);
    }
    CHECK(wrong == 0);
    CHECK(CommonTensor::toHalf(1) == 0x3c00 && CommonTensor::toHalf(-2) == 0xc000);
    CHECK(CommonTensor::toHalf(65504) == 0x7bff && CommonTensor::toHalf(1e9) == 0x7c00);
    CHECK(CommonTensor::toHalf(std::ldexp(1, -24)) == 1 && CommonTensor::toHalf(1e-9) == 0);
    // 1 + 2^-11 is half way: away from zero
    CHECK(CommonTensor::toTF32(1+std::ldexp(1, -11)) == __float_as_uint(1+std::ldexp(1.0f, -10)));
    CHECK(CommonTensor::toTF32(1+std::ldexp(1, -12)) == __float_as_uint(1));
    CHECK(CommonTensor::fitsHalves({1, -3e4}) && !CommonTensor::fitsHalves({1, NAN}) &&
          !CommonTensor::fitsHalves({30001}));
}

static void testSet() {
    testForward(1, 37, 19, true, true);
    testForward(12, 300, 7, true, false);
    testForward(17, 1, 5, false, true);
    testForward(45, 65, 49, true, true);
    testForward(130, 32, 66, false, false);
    testReverse(1, 19, 37, 0, true, false);
    testReverse(12, 30, 300, 13, true, false);
    testReverse(17, 40, 2, 8, false, true);
    testReverse(45, 49, 65, 0, false, false);
    testReverse(130, 80, 33, 7, true, true);
    testUpdate(12, 70, true);
    testUpdate(45, 33, false);
    testUpdateReverse(17, 21, 0, true);
    testUpdateReverse(45, 60, 11, false);
    testReadout(1, 20, 3);
    testReadout(45, 34, 40);
    testRange();
    testBias();
}

int main() {
    for (const DenseKernels* set : SETS) {
        kernels = set;
        testSet();
    }
    testNumbers();
    return check_report("cuda.shim");
}
