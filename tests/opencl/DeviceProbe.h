/*
 * A look inside a Context, for tests of the parts of platforms/common: on the OpenCL platform or,
 * with PROBE_CUDA, on CUDA (tests/cuda/on_device.cpp).
 */
#ifndef MLFF_DEVICE_PROBE_H_
#define MLFF_DEVICE_PROBE_H_

#include "MLFFTestSupport.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/internal/ForceImpl.h"
#ifdef PROBE_CUDA
#include "CudaDevice.h"
#include "openmm/cuda/CudaPlatform.h"
#define PROBE_MAIN extern "C" __attribute__((visibility("default"))) int runOnDevice
#else
#include "CommonDevice.h"
#include "openmm/opencl/OpenCLContext.h"
#include "openmm/opencl/OpenCLPlatform.h"
#define PROBE_MAIN int main
#endif
#include <memory>

namespace mlfftest {

#ifdef PROBE_CUDA
typedef CudaPlatform ProbedPlatform;
typedef CudaDevice ProbedDevice;
typedef CudaContext ProbedContext;
static const char* const PROBED = "CUDA";
#else
typedef OpenCLPlatform ProbedPlatform;
typedef CommonDevice ProbedDevice;
typedef ComputeContext ProbedContext;
static const char* const PROBED = "OpenCL";
#endif

/* A force that does nothing but remember the Context that it is in. */
class ProbeForce : public Force {
public:
    explicit ProbeForce(bool periodic) : periodic(periodic) {
    }
    mutable ContextImpl* context = nullptr;
    const bool periodic;
    bool usesPeriodicBoundaryConditions() const {
        return periodic;
    }
protected:
    class Impl : public ForceImpl {
    public:
        explicit Impl(const ProbeForce& owner) : owner(owner) {
        }
        void initialize(ContextImpl& context) {
            owner.context = &context;
        }
        const Force& getOwner() const {
            return owner;
        }
        void updateContextState(ContextImpl&, bool&) {
        }
        double calcForcesAndEnergy(ContextImpl&, bool, bool, int) {
            return 0;
        }
        std::map<string, double> getDefaultParameters() {
            return {};
        }
        std::vector<string> getKernelNames() {
            return {};
        }
    private:
        const ProbeForce& owner;
    };
    ForceImpl* createImpl() const {
        return new Impl(*this);
    }
};

/* A System of n particles, and the device under it. */
struct Device {
    System system;
    ProbeForce* probe;
    VerletIntegrator integrator;
    std::unique_ptr<Context> context;

    Device(int n, bool periodic, const string& precision) :
            probe(new ProbeForce(periodic)), integrator(1e-3) {
        for (int i = 0; i < n; i++)
            system.addParticle(1);
        // triclinic, so that the box may take any shape
        system.setDefaultPeriodicBoxVectors(Vec3(2, 0, 0), Vec3(0.1, 2, 0), Vec3(0.1, 0.1, 2));
        system.addForce(probe);
        context.reset(new Context(system, integrator, Platform::getPlatformByName(PROBED),
                                  {{"Precision", precision}}));
    }
    ProbedContext& compute() {
        auto* data = static_cast<ProbedPlatform::PlatformData*>(probe->context->getPlatformData());
        return *data->contexts[0];
    }
};

/* Why there is no device; "" if there is one. */
inline string whyNoDevice(const string& precision) {
    if (!hasPlatform(PROBED))
        return string("this OpenMM has no platform ")+PROBED+" (OPENMM_PLUGINS)";
    LeakAllowed leaks;
    try {
        Device device(1, false, precision);
        return "";
    }
    catch (const OpenMMException& e) {
        return e.what();
    }
}

} // namespace mlfftest

#endif
