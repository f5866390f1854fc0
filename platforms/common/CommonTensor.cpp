#include "CommonTensor.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <cstring>

using namespace OpenMM;
using std::vector;

static const double LOW_SCALE = 2048, HALF_LIMIT = 3e4;
static const int GROUP_TERMS = 32;

// ------------------------------------------------------------------------------- numbers

unsigned int CommonTensor::toHalf(double value) {
    const unsigned int sign = std::signbit(value) ? 0x8000 : 0;
    const double size = std::fabs(value);
    if (!(size < 65520))
        return sign | (std::isnan(value) ? 0x7e00 : 0x7c00);
    int exponent = 0;
    std::frexp(size, &exponent);
    // numbers below 2^-14, zero among them, have steps of 2^-24
    const int step = size < std::ldexp(1.0, -14) ? -24 : exponent-11;
    const auto steps = (unsigned int) std::nearbyint(std::ldexp(size, -step));
    // 1024 steps more are one more in the exponent
    return sign | (((unsigned int) (step+24) << 10)+steps);
}

double CommonTensor::fromHalf(unsigned int half) {
    const int exponent = (int) (half >> 10 & 31);
    const double fraction = half & 1023;
    const double size = exponent > 0 ? std::ldexp(1024+fraction, exponent-25) :
                                       std::ldexp(fraction, -24);
    return half & 0x8000 ? -size : size;
}

unsigned int CommonTensor::toTF32(double value) {
    const auto single = (float) value;
    unsigned int bits;
    std::memcpy(&bits, &single, sizeof(bits));
    return (bits+0x1000) & ~0x1fffu;
}

bool CommonTensor::fitsHalves(const vector<double>& values) {
    for (double value : values)
        if (!(std::fabs(value) <= HALF_LIMIT))
            return false;
    return true;
}

// ------------------------------------------------------------------------------- packing

// A word of two halves each, of the numbers and of what they lack.
static void packPair(double first, double second, unsigned int& high, unsigned int& low) {
    const unsigned int a = CommonTensor::toHalf(first), b = CommonTensor::toHalf(second);
    high = a | b << 16;
    low = CommonTensor::toHalf((first-CommonTensor::fromHalf(a))*LOW_SCALE) |
          CommonTensor::toHalf((second-CommonTensor::fromHalf(b))*LOW_SCALE) << 16;
}

vector<unsigned int> CommonTensor::pack(const vector<double>& values, int numColumns, int numTerms,
                                        bool pairs) {
    if (pairs && !fitsHalves(values))
        throw OpenMMException("MLFFForce: a weight of the model is outside the range of half "
                              "precision, 30000: call setMatrixPrecision(MLFFForce::Full)");
    const int fragments = (numColumns+7)/8, groups = (numTerms+GROUP_TERMS-1)/GROUP_TERMS;
    vector<unsigned int> packed((size_t) fragments*groups*2*32*4);
    const auto value = [&](int column, int term) {
        return column < numColumns && term < numTerms ? values[(size_t) column*numTerms+term] : 0.0;
    };
    unsigned int* out = packed.data();
    for (int fragment = 0; fragment < fragments; fragment++)
        for (int half = 0; half < 2*groups; half++)
            for (int lane = 0; lane < 32; lane++, out += 4) {
                const int column = fragment*8+lane/4, group = half/2*GROUP_TERMS;
                const int word = group+half%2*8+lane%4, term = group+half%2*16+lane%4;
                if (pairs)
                    for (int k = 0; k < 2; k++)
                        packPair(value(column, word+4*k), value(column, word+4*k+16), out[k],
                                 out[2+k]);
                else
                    for (int k = 0; k < 4; k++)
                        out[k] = CommonTensor::toTF32(value(column, term+4*k));
            }
    return packed;
}
