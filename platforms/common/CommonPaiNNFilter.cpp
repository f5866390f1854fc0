#include "CommonPaiNNFilter.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <sstream>

using namespace OpenMM;
using std::vector;

namespace {

const int WIDEST_DIRECT_BASIS = 64;
const int FEWEST_INTERVALS = 64, MOST_INTERVALS = 16384;
const int TESTED_INTERVALS = 32, TESTED_PLACES = 96;

// A filter whose slopes are off by this many tolerances is refused.
const double LARGEST_ERROR = 100;

vector<double> valuesOf(const mlff_tensor* tensor) {
    vector<double> values(tensor == nullptr ? 0 : tensor->n_values);
    if (tensor != nullptr)
        mlff_tensor_to_double(tensor, values.data());
    return values;
}

/** A value with its first and second derivative by the distance. */
struct Jet {
    double f, d1, d2;
    Jet operator*(const Jet& b) const {
        return {f*b.f, d1*b.f+f*b.d1, d2*b.f+2*d1*b.d1+f*b.d2};
    }
};

/** The filter network of a layer in double precision. */
class FilterNet {
public:
    FilterNet(const mlff_painn& painn, int layer) : painn(painn), K(painn.n_rbf),
            F(painn.n_features), w0(valuesOf(painn.layer[layer].filter_w0)),
            b0(valuesOf(painn.layer[layer].filter_b0)), w1(valuesOf(painn.layer[layer].filter_w1)),
            b1(valuesOf(painn.layer[layer].filter_b1)), beta(valuesOf(painn.rbf_beta)),
            mu(valuesOf(painn.rbf == MLFF_PAINN_GAUSSIAN ? painn.rbf_mu : painn.rbf_freq)) {
    }

    /** W, dW/dd and d2W/dd2 of all 3F columns, the envelope included. */
    vector<Jet> evaluate(double d) const {
        const bool outside = (painn.envelope == MLFF_PAINN_ENVELOPE_FILTER);
        const Jet fc = envelope(d);
        vector<Jet> psi(K);
        for (int k = 0; k < K; k++)
            psi[k] = outside ? radial(k, d) : fc*radial(k, d);
        vector<Jet> filter = linear(w0, b0, psi);
        if (painn.filter_layers == 2) {
            for (Jet& h : filter)
                h = silu(h);
            filter = linear(w1, b1, filter);
        }
        if (outside)
            for (Jet& w : filter)
                w = fc*w;
        return filter;
    }

private:
    /** One-sided at the cutoff: the last interval ends there. */
    Jet envelope(double d) const {
        const double pi = 3.14159265358979323846, rc = painn.cutoff, x = d/rc;
        if (painn.cutoff_fn == MLFF_PAINN_COSINE)
            return {0.5*(1+cos(pi*x)), -0.5*pi/rc*sin(pi*x), -0.5*pi*pi/rc/rc*cos(pi*x)};
        const int p = painn.poly_p;
        const double a = 0.5*(p+1)*(p+2), b = (double) p*(p+2), c = 0.5*p*(p+1);
        const double curvature = p > 1 ? pow(x, p-2)*(-a*p*(p-1)+b*p*(p+1)*x-c*(p+1)*(p+2)*x*x)
                                       : b*2-c*6*x;
        return {1-pow(x, p)*(a-b*x+c*x*x), -a*p*pow(x, p-1)*(1-x)*(1-x)/rc, curvature/rc/rc};
    }

    Jet radial(int k, double d) const {
        if (painn.rbf == MLFF_PAINN_GAUSSIAN) {
            const double x = d-mu[k], b = beta[k], value = exp(-b*x*x);
            return {value, -2*b*x*value, (4*b*x*b*x-2*b)*value};
        }
        const double w = mu[k], y = w*d;
        if (fabs(y) < 1e-3)
            return {w*(1-y*y/6), w*w*(-y/3+y*y*y/30), w*w*w*(-1.0/3+y*y/10)};
        const double value = sin(y)/d, slope = (w*cos(y)-value)/d;
        return {value, slope, (-w*w*sin(y)-2*slope)/d};
    }

    static Jet silu(const Jet& h) {
        const double g = 1/(1+exp(-h.f)), slope = g*(1+h.f*(1-g));
        const double curvature = g*(1-g)*(2+h.f*(1-2*g));
        return {h.f*g, slope*h.d1, slope*h.d2+curvature*h.d1*h.d1};
    }

    static vector<Jet> linear(const vector<double>& w, const vector<double>& b,
                              const vector<Jet>& in) {
        vector<Jet> out(b.size());
        for (size_t o = 0; o < b.size(); o++) {
            const double* row = &w[o*in.size()];
            Jet sum = {b[o], 0, 0};
            for (size_t k = 0; k < in.size(); k++) {
                sum.f += row[k]*in[k].f;
                sum.d1 += row[k]*in[k].d1;
                sum.d2 += row[k]*in[k].d2;
            }
            out[o] = sum;
        }
        return out;
    }

    const mlff_painn& painn;
    const int K, F;
    const vector<double> w0, b0, w1, b1, beta, mu;
};

/** The polynomial c[0] + c[1] t + ... between two knots h apart. */
void polynomial(const Jet& left, const Jet& right, double h, double c[6]) {
    const double rise = right.f-left.f, m0 = left.d1*h, m1 = right.d1*h;
    const double k0 = left.d2*h*h, k1 = right.d2*h*h;
    c[0] = left.f;
    c[1] = m0;
    c[2] = 0.5*k0;
    c[3] = 10*rise-6*m0-4*m1-1.5*k0+0.5*k1;
    c[4] = -15*rise+8*m0+7*m1+1.5*k0-k1;
    c[5] = 6*rise-3*(m0+m1)-0.5*(k0-k1);
}

/** Compare slopes at the place t, 0 ... 1, of an interval. */
void compareSlopes(const FilterNet& net, double h, int interval, double t, double& error,
                   double& largest) {
    const vector<Jet> left = net.evaluate(interval*h), right = net.evaluate((interval+1)*h);
    const vector<Jet> exact = net.evaluate((interval+t)*h);
    for (size_t o = 0; o < left.size(); o++) {
        double c[6];
        polynomial(left[o], right[o], h, c);
        const double slope = c[1]+t*(2*c[2]+t*(3*c[3]+t*(4*c[4]+t*5*c[5])));
        const double deviation = fabs(slope/h-exact[o].d1);
        error = (std::isfinite(deviation) ? std::max(error, deviation) : INFINITY);
        largest = std::max(largest, fabs(exact[o].d1));
    }
}

/** How far slopes of a grid are off at most, of the largest slope; where they err most. */
double estimateSlopeError(const FilterNet& net, double cutoff, int numIntervals) {
    const double h = cutoff/numIntervals, t = 0.5*(1-sqrt(0.2));
    double error = 0, largest = 1e-30;
    for (int k = 0; k < TESTED_INTERVALS; k++)
        compareSlopes(net, h, (2*k+1)*numIntervals/(2*TESTED_INTERVALS), t, error, largest);
    return error/largest;
}

/**
 * The same at distances that are no multiple of an interval (fractions of the golden ratio), so that
 * no wave hides, and around the centers of Gaussians, which may be narrower than an interval.
 */
double searchGaps(const FilterNet& net, const mlff_painn& painn, int numIntervals) {
    const double golden = 0.61803398874989484820, h = painn.cutoff/numIntervals;
    double error = 0, largest = 1e-30;
    auto compareAt = [&](double d) {
        const int interval = (int) std::min(std::floor(d/h), numIntervals-1.0);
        compareSlopes(net, h, interval, d/h-interval, error, largest);
    };
    for (int k = 0; k < TESTED_PLACES; k++)
        compareAt(painn.cutoff*(k+fmod((k+1)*golden, 1))/TESTED_PLACES);
    if (painn.rbf == MLFF_PAINN_GAUSSIAN) {
        const vector<double> mu = valuesOf(painn.rbf_mu), beta = valuesOf(painn.rbf_beta);
        for (size_t k = 0; k < mu.size(); k++)
            for (double deviations : {-2.0, -1.0, -0.5, -0.1, 0.1, 0.5, 1.0, 2.0}) {
                const double d = mu[k]+deviations/sqrt(2*fabs(beta[k])+1e-30);
                if (d > 0 && d < painn.cutoff)
                    compareAt(d);
            }
    }
    return error/largest;
}

/**
 * A linear network is evaluated as it stands, at distances rounded to float in single precision:
 * their error in units of the narrowest feature of the basis.
 */
double estimateRounding(const mlff_painn& painn) {
    double steepest = 0;
    for (double value : valuesOf(painn.rbf == MLFF_PAINN_GAUSSIAN ? painn.rbf_beta : painn.rbf_freq))
        steepest = std::max(steepest, painn.rbf == MLFF_PAINN_GAUSSIAN ? sqrt(2*fabs(value))
                                                                       : fabs(value));
    return 6e-8*painn.cutoff*steepest;
}

[[noreturn]] void refuse(const mlff_painn& painn, double error, double allowed) {
    std::stringstream message;
    message << "MLFFForce: the model's radial filters change too fast with the distance for a GPU "
               "platform in this precision: over the cutoff of " << painn.cutoff << " angstrom their "
               "slopes are off by " << error << " of the largest, expected at most " << allowed
            << "; use the Reference platform, or check the model's cutoff and radial basis";
    throw OpenMMException(message.str());
}

void fillTable(const FilterNet& net, double cutoff, int numIntervals, double* out) {
    const double h = cutoff/numIntervals;
    vector<Jet> left = net.evaluate(0);
    const size_t width = left.size();
    for (int i = 0; i < numIntervals; i++, out += 6*width) {
        const vector<Jet> right = net.evaluate((i+1)*h);
        for (size_t o = 0; o < width; o++) {
            double c[6];
            polynomial(left[o], right[o], h, c);
            for (int k = 0; k < 6; k++)
                out[k*width+o] = c[k];
        }
        left = right;
    }
}

/** The network as it stands: weights [K][3F], then the bias. */
void fillDirect(const mlff_painn& painn, int layer, double* out) {
    const size_t width = 3*(size_t) painn.n_features, K = painn.n_rbf;
    for (size_t o = 0; o < width; o++) {
        for (size_t k = 0; k < K; k++)
            out[k*width+o] = mlff_tensor_value(painn.layer[layer].filter_w0, o*K+k);
        out[K*width+o] = mlff_tensor_value(painn.layer[layer].filter_b0, o);
    }
}

} // namespace

CommonPaiNNFilter::CommonPaiNNFilter(const mlff_painn& painn, double tolerance) :
        table(painn.filter_layers == 2 || painn.n_rbf > WIDEST_DIRECT_BASIS), numIntervals(0),
        numTerms(table ? 6 : painn.n_rbf+1), numSets(painn.shared_filters ? 1 : painn.n_layers),
        slopeError(0) {
    vector<FilterNet> nets;
    for (int l = 0; table && l < numSets; l++)
        nets.emplace_back(painn, l);
    if (table)
        numIntervals = FEWEST_INTERVALS;
    for (const FilterNet& net : nets)
        for (;; numIntervals *= 2) {
            const double error = estimateSlopeError(net, painn.cutoff, numIntervals);
            if (error <= tolerance || numIntervals == MOST_INTERVALS) {
                slopeError = std::max(slopeError, error);
                break;
            }
        }
    // accurate enough where it was looked at; what lies between?
    double worst = (table || tolerance < 1e-8 ? 0 : estimateRounding(painn));
    for (const FilterNet& net : nets)
        worst = std::max(worst, searchGaps(net, painn, numIntervals));
    if (!(worst <= LARGEST_ERROR*tolerance))
        refuse(painn, worst, LARGEST_ERROR*tolerance);
    const size_t size = 3*(size_t) painn.n_features*numTerms*std::max(numIntervals, 1);
    coefficients.resize(size*numSets);
    for (int l = 0; l < numSets; l++) {
        if (table)
            fillTable(nets[l], painn.cutoff, numIntervals, &coefficients[l*size]);
        else
            fillDirect(painn, l, &coefficients[l*size]);
    }
}

size_t CommonPaiNNFilter::getSetSize() const {
    return coefficients.size()/numSets;
}
