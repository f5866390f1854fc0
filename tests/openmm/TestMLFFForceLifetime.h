/*
 * Who is destroyed first. A Context may outlive its forces, its System and its Integrator, in any
 * order, and works without a force that has been removed as it did with it, until it is
 * reinitialized: OpenMM's own forces do the same. Run it under AddressSanitizer, which sees what
 * is read after it was freed.
 */
#ifndef TEST_MLFFFORCE_LIFETIME_H_
#define TEST_MLFFFORCE_LIFETIME_H_

#include "MLFFTestPlatform.h"
#include <new>

namespace mlfftest {

/* A Context and what it was made of, each to be destroyed when a test wants. */
struct Parts {
    std::unique_ptr<System> system;
    std::unique_ptr<Integrator> integrator;
    std::unique_ptr<Context> context;
    Parts(const Golden& g, MLFFForce* force) : system(new System()),
            integrator(new VerletIntegrator(1e-4)) {
        addParticles(*system, g);
        system->addForce(force);
        context.reset(new Context(*system, *integrator,
                                  Platform::getPlatformByName(testPlatform.name),
                                  testPlatform.properties));
        context->setPositions(g.positions);
    }
    State evaluate() const {
        return context->getState(State::Energy | State::Forces);
    }
    void destroy(char what) {
        switch (what) {
            case 'S':
                system.reset();
                break;
            case 'I':
                integrator.reset();
                break;
            default:
                context.reset();
        }
    }
};

/* A model without charges and one with charges, Coulomb and dispersion. */
static vector<Golden> lifetimeGoldens() {
    return {testData("painn-hcno-distilled.methanol"),
            chargedGolden("published-4x4", "formamide simple"),
            chargedGolden("published-4x4", "small_cell ewald")};
}

static MLFFForce* makeEnsemble(const Golden& g) {
    MLFFForce* force = makeForce(g, 0, true);
    force->addEnsembleMember(findModel(g.model));
    force->setScaleParameter("lambda");
    return force;
}

// System, Integrator and Context in every order; the force removed before, or deleted with the
// System; a Context that has evaluated, and one that has not.
static void testDestroyInEveryOrder() {
    for (const Golden& g : lifetimeGoldens()) {
        string order = "CIS";
        do
            for (bool remove : {false, true})
                for (bool evaluate : {false, true}) {
                    Parts parts(g, makeEnsemble(g));
                    if (evaluate)
                        checkGolden(g, parts.evaluate(), order.c_str());
                    if (remove)
                        parts.system->removeForce(0);
                    for (char what : order)
                        parts.destroy(what);
                }
        while (std::next_permutation(order.begin(), order.end()));
    }
}

// Without its force a Context goes on as before: energies, steps, parameters, molecules.  From
// reinitialize() on it is as if the force had never been.
static void testRemoveForce() {
    for (const Golden& g : lifetimeGoldens())
        for (bool preserve : {false, true}) {
            Parts parts(g, makeEnsemble(g));
            parts.system->removeForce(0);
            checkGolden(g, parts.evaluate(), "force removed");
            const size_t numMolecules = g.size()-findBonds(g).size();  // no rings among these
            CHECK(parts.context->getMolecules().size() == numMolecules);
            parts.context->setParameter("lambda", 0.5);
            CHECK_NEAR(0.5*g.energy, parts.evaluate().getPotentialEnergy(),
                       energyTolerance(g.size()));
            parts.context->setParameter("lambda", 1);
            parts.integrator->step(3);
            parts.context->setPositions(g.positions);
            checkGolden(g, parts.evaluate(), "force removed, after steps");

            parts.context->reinitialize(preserve);
            parts.context->setPositions(g.positions);
            CHECK(parts.evaluate().getPotentialEnergy() == 0);
            CHECK(largest(parts.evaluate().getForces()) == 0);
            if (!preserve)  // the state that OpenMM preserves has all parameters
                CHECK_THROWS("lambda", parts.context->setParameter("lambda", 1));
            parts.integrator->step(1);
        }
}

// Another force in the place of the removed one counts from reinitialize() on.
static void testReplaceForce() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    const Golden charged = chargedGolden("published-4x4", "formamide simple");
    for (bool preserve : {false, true})
        for (bool forth : {false, true}) {
            const Golden& first = (forth ? g : charged), & second = (forth ? charged : g);
            Parts parts(first, makeForce(first));
            checkGolden(first, parts.evaluate(), "before");
            parts.system->removeForce(0);
            MLFFForce* force = makeForce(second);
            parts.system->addForce(force);
            checkGolden(first, parts.evaluate(), "replaced, not reinitialized");
            parts.context->reinitialize(preserve);
            parts.context->setPositions(second.positions);
            checkGolden(second, parts.evaluate(), "replaced");
            force->updateParametersInContext(*parts.context);
            checkGolden(second, parts.evaluate(), "updated");
        }
}

/*
 * A Context takes a force for its own by the address. One that has got the address of a deleted
 * force is none of it: it is refused, and what it is asked is answered by what the Context has.
 */
static void testForceAtTheSameAddress() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    const Golden charged = chargedGolden("published-4x4", "formamide simple");
    const std::unique_ptr<MLFFForce> source(makeForce(g)), other(makeForce(charged));
    alignas(MLFFForce) static unsigned char place[sizeof(MLFFForce)];
    struct Placed : public MLFFForce {  // OpenMM deletes it, which gives no memory back
        explicit Placed(const MLFFForce& source) : MLFFForce(source) {
        }
        void* operator new(size_t, void* at) {
            return at;
        }
        void operator delete(void*) {
        }
    };
    Parts parts(g, new(place) Placed(*source));
    parts.evaluate();
    parts.system->removeForce(0);
    auto* late = new(place) Placed(*other);
    parts.system->addForce(late);
    CHECK_THROWS("the model has changed", late->updateParametersInContext(*parts.context));
    vector<double> charges;
    CHECK_THROWS("computes no charges", late->getAtomCharges(*parts.context, charges));
    CHECK(late->getEnergyComponents(*parts.context).size() == 2);
    CHECK(late->getCoulombMethodInContext(*parts.context) == MLFFForce::NoCoulomb);
    late->addAtom(1000000, 1);  // no particle of this Context
    CHECK(late->getGeometryWarning(*parts.context).empty());
    checkGolden(g, parts.evaluate(), "another force at its address");
}

// A Context that could not be reinitialized answers every question with an error, and works again
// as soon as it can be.
static void testFailedReinitialize() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    MLFFForce* force = makeForce(g);
    Parts parts(g, force);
    Context& context = *parts.context;
    vector<double> values;
    double energy, deviation;
    for (int k = 0; k < 2; k++) {
        LeakAllowed leaks;
        force->setEnergyFactor(NAN);
        CHECK_THROWS("the energy factor is nan", context.reinitialize());
        CHECK_THROWS("", parts.evaluate());
        CHECK_THROWS("", parts.integrator->step(1));
        force->setEnergyFactor(1);
        const char* message = "this Context could not be initialized";
        CHECK_THROWS(message, force->updateParametersInContext(context));
        CHECK_THROWS(message, force->getExecutionInfo(context));
        CHECK_THROWS("", force->getEnergyComponents(context));
        CHECK_THROWS("", force->computeHessian(context, values));
        CHECK_THROWS("computes no charges", force->getAtomCharges(context, values));
        CHECK_THROWS("one model", force->getEnsembleDeviation(context, energy, deviation));
    }
    context.reinitialize();
    context.setPositions(g.positions);
    checkGolden(g, parts.evaluate(), "reinitialized after all");
}

// The other Context of a System, and a Context of a copy, are not disturbed.
static void testOtherContexts() {
    for (const Golden& g : lifetimeGoldens()) {
        Parts one(g, makeEnsemble(g));
        VerletIntegrator integrator(1e-4);
        Context other(*one.system, integrator, Platform::getPlatformByName(testPlatform.name),
                      testPlatform.properties);
        other.setPositions(g.positions);
        one.context.reset();
        one.system->removeForce(0);
        checkGolden(g, other.getState(State::Energy | State::Forces), "the other Context");
    }
}

static void runLifetimeTests() {
    RUN(testDestroyInEveryOrder);
    RUN(testRemoveForce);
    RUN(testReplaceForce);
    RUN(testForceAtTheSameAddress);
    RUN(testFailedReinitialize);
    RUN(testOtherContexts);
}

} // namespace mlfftest

#endif
