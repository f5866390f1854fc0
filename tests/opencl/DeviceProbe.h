/* A look inside a Context on the OpenCL platform, for tests of the parts of platforms/common. */
#ifndef MLFF_DEVICE_PROBE_H_
#define MLFF_DEVICE_PROBE_H_

#include "MLFFTestSupport.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/internal/ForceImpl.h"
#include "openmm/opencl/OpenCLContext.h"
#include "openmm/opencl/OpenCLPlatform.h"
#include <memory>

namespace mlfftest {

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

/* A System of n particles on OpenCL, and the device under it. */
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
        context.reset(new Context(system, integrator, Platform::getPlatformByName("OpenCL"),
                                  {{"Precision", precision}}));
    }
    ComputeContext& compute() {
        auto* data = static_cast<OpenCLPlatform::PlatformData*>(probe->context->getPlatformData());
        return *data->contexts[0];
    }
};

/* Why there is no device; "" if there is one. */
inline string whyNoOpenCL(const string& precision) {
    if (!hasPlatform("OpenCL"))
        return "this OpenMM has no platform OpenCL (OPENMM_PLUGINS)";
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
