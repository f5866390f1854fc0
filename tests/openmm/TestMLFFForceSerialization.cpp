/* A System with an MLFFForce as XML: it comes back as it was, or says why it cannot. */
#include "MLFFTestSupport.h"
#include <chrono>
#include <cstdio>
#include <cstring>

using namespace mlfftest;

static string toXml(const System& system) {
    std::stringstream stream;
    XmlSerializer::serialize(&system, "System", stream);
    return stream.str();
}

static std::unique_ptr<System> fromXml(const string& xml) {
    std::stringstream stream(xml);
    return std::unique_ptr<System>(XmlSerializer::deserialize<System>(stream));
}

static const MLFFForce& forceOf(const System& system) {
    return dynamic_cast<const MLFFForce&>(system.getForce(system.getNumForces()-1));
}

static string replaced(string text, const string& what, const string& by) {
    const size_t at = text.find(what);
    if (at == string::npos)
        throw OpenMMException("test: the XML has no '" + what + "'");
    return text.replace(at, what.size(), by);
}

static State evaluate(const System& system, const vector<Vec3>& positions) {
    VerletIntegrator integrator(1e-4);
    Context context(system, integrator, Platform::getPlatformByName("Reference"));
    context.setPositions(positions);
    return context.getState(State::Energy | State::Forces | State::ParameterDerivatives);
}

// Everything set to something else than its default.
static MLFFForce* makeSpecialForce(const Golden& g) {
    MLFFForce* force = makeForce(g, 0, true);
    force->setName("the ligand");
    force->setForceGroup(5);
    force->setUsesPeriodicBoundaryConditions(true);
    force->setScaleParameter("lambda & <co>");
    force->setScaleParameterDefaultValue(1.0/3);
    force->addEnergyParameterDerivative("lambda & <co>");
    force->setEnergyFactor(-0.1);
    force->addRegion(0, 1);
    force->setAtomParameters(0, 0, g.numbers[0], 0);
    force->setIntendedBoxVectors(Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2));
    return force;
}

// The same of a model with charges, and an ensemble; the Coulomb settings do not fit together,
// which only a Context minds.
static MLFFForce* makeSpecialCharges(const Golden& g) {
    MLFFForce* force = makeForce(g, 0, true);
    force->addEnsembleMember("the second", scaleTensor(readContent(findModel(g.model)),
                                                       "energy_mlp.mlp.2.weight", 1.1f));
    force->addEnsembleMember(findModel(g.model));
    force->setCoulombMethod(MLFFForce::PME);
    force->setCoulombCutoff(1.0/3);
    force->setCoulombAlpha(2.0/3);
    force->setEwaldErrorTolerance(1e-5/3);
    force->setUseDispersion(false);
    force->setDispersionCutoff(4.0/3);
    force->setEvaluationMode(MLFFForce::Sparse);
    force->setDenseThreshold(77);
    force->setMatrixPrecision(MLFFForce::TF32);
    force->setUseDeviceGraph(false);
    force->setCheckGeometry(false);
    force->setIntendedBoxVectors(Vec3(1.0/3, 0, 0), Vec3(-0.1, 2.0/3, 0), Vec3(1e-300, 0.3, 7));
    force->setCheckElectrons(false);
    return force;
}

static void checkSameForce(const MLFFForce& a, const MLFFForce& b) {
    CHECK(a.getName() == b.getName());
    CHECK(a.getForceGroup() == b.getForceGroup());
    CHECK(a.getModelFile() == b.getModelFile());
    CHECK(a.getModelHash() == b.getModelHash());
    CHECK(a.getModelStorage() == b.getModelStorage());
    CHECK(a.usesPeriodicBoundaryConditions() == b.usesPeriodicBoundaryConditions());
    CHECK(a.getScaleParameter() == b.getScaleParameter());
    CHECK(a.getScaleParameterDefaultValue() == b.getScaleParameterDefaultValue());
    CHECK(a.getEnergyFactor() == b.getEnergyFactor());
    CHECK(a.getCoulombMethod() == b.getCoulombMethod());
    CHECK(a.getCoulombCutoff() == b.getCoulombCutoff());
    CHECK(a.getCoulombAlpha() == b.getCoulombAlpha());
    CHECK(a.getEwaldErrorTolerance() == b.getEwaldErrorTolerance());
    CHECK(a.getUseDispersion() == b.getUseDispersion());
    CHECK(a.getDispersionCutoff() == b.getDispersionCutoff());
    CHECK(a.getEvaluationMode() == b.getEvaluationMode());
    CHECK(a.getDenseThreshold() == b.getDenseThreshold());
    CHECK(a.getMatrixPrecision() == b.getMatrixPrecision());
    CHECK(a.getUseDeviceGraph() == b.getUseDeviceGraph());
    CHECK(a.getCheckGeometry() == b.getCheckGeometry());
    Vec3 boxes[2][3];
    a.getIntendedBoxVectors(boxes[0][0], boxes[0][1], boxes[0][2]);
    b.getIntendedBoxVectors(boxes[1][0], boxes[1][1], boxes[1][2]);
    CHECK(std::equal(boxes[0], boxes[0]+3, boxes[1]));
    CHECK(a.getCheckElectrons() == b.getCheckElectrons());
    CHECK(a.getNumEnsembleMembers() == b.getNumEnsembleMembers());
    for (int k = 0; k < a.getNumEnsembleMembers() && k < b.getNumEnsembleMembers(); k++) {
        CHECK(a.getEnsembleMemberFile(k) == b.getEnsembleMemberFile(k));
        CHECK(a.getEnsembleMemberHash(k) == b.getEnsembleMemberHash(k));
    }
    CHECK(a.getNumEnergyParameterDerivatives() == b.getNumEnergyParameterDerivatives());
    CHECK(a.getNumRegions() == b.getNumRegions());
    CHECK(a.getNumAtoms() == b.getNumAtoms() && a.getNumAtoms() > 0);
    CHECK(a.getNumBonds() == b.getNumBonds() && a.getNumBonds() > 0);
    for (int i = 0; i < a.getNumRegions() && i < b.getNumRegions(); i++) {
        double q[2];
        int m[2];
        a.getRegionParameters(i, q[0], m[0]);
        b.getRegionParameters(i, q[1], m[1]);
        CHECK(q[0] == q[1] && m[0] == m[1]);
    }
    for (int i = 0; i < a.getNumAtoms() && i < b.getNumAtoms(); i++) {
        int p[2], z[2], r[2];
        a.getAtomParameters(i, p[0], z[0], r[0]);
        b.getAtomParameters(i, p[1], z[1], r[1]);
        CHECK(p[0] == p[1] && z[0] == z[1] && r[0] == r[1]);
    }
    for (int i = 0; i < a.getNumBonds() && i < b.getNumBonds(); i++) {
        int p[2], q[2];
        a.getBondParameters(i, p[0], q[0]);
        b.getBondParameters(i, p[1], q[1]);
        CHECK(p[0] == p[1] && q[0] == q[1]);
    }
}

// The same settings, and energies equal to the last bit.
static void testRoundTrip(MLFFForce::ModelStorage storage) {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeSpecialForce(g);
    force->setModelStorage(storage);
    system.addForce(force);
    const string xml = toXml(system);
    const std::unique_ptr<System> copy = fromXml(xml);
    checkSameForce(*force, forceOf(*copy));
    CHECK(toXml(*copy) == xml);
    CHECK((xml.size() > 600000) == (storage == MLFFForce::Embedded));
    const State a = evaluate(system, g.positions), b = evaluate(*copy, g.positions);
    CHECK(a.getPotentialEnergy() == b.getPotentialEnergy());
    CHECK(largestDifference(a.getForces(), b.getForces()) == 0);
    CHECK(a.getEnergyParameterDerivatives() == b.getEnergyParameterDerivatives());
}

// Regions with charges, which this model refuses in a Context, are kept all the same.
static void testRegionsRoundTrip() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g, 0, true);
    force->setRegionParameters(0, 0.1, 2);
    force->addRegion(-1e-300, 7);
    force->setAtomParameters(3, 3, 1, 1);
    system.addForce(force);
    checkSameForce(*force, forceOf(*fromXml(toXml(system))));
}

// Everything about charges and ensembles; and the energy of an ensemble comes back to the last bit.
static void testChargesRoundTrip() {
    const Golden g = chargedGolden("published-4x4", "two_regions_box dsf");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeSpecialCharges(g);
    system.addForce(force);
    const string xml = toXml(system);
    const std::unique_ptr<System> copy = fromXml(xml);
    checkSameForce(*force, forceOf(*copy));
    CHECK(forceOf(*copy).getNumEnsembleMembers() == 3);
    CHECK(forceOf(*copy).getCoulombMethod() == MLFFForce::PME);
    CHECK(!forceOf(*copy).getUseDispersion());
    CHECK(forceOf(*copy).getDispersionCutoff() == 4.0/3);
    CHECK(toXml(*copy) == xml);

    chooseMethods(*force, g);
    const std::unique_ptr<System> usable = fromXml(toXml(system));
    const State a = evaluate(system, g.positions), b = evaluate(*usable, g.positions);
    CHECK(a.getPotentialEnergy() == b.getPotentialEnergy());
    CHECK(largestDifference(a.getForces(), b.getForces()) == 0);
    CHECK(fabs(a.getPotentialEnergy()-g.energy) > 1e-3);  // one member is another model

    // a damaged member is found, and named like a damaged model
    const size_t members = xml.find("<EnsembleMembers>");
    CHECK(members != string::npos);
    const size_t data = xml.find("base64=\"", members)+5000;
    string changed(xml);
    changed[data] = (changed[data] == 'A' ? 'B' : 'A');
    CHECK_THROWS("the model in this XML is damaged: expected SHA-256 " +
                 force->getEnsembleMemberHash(1), fromXml(changed));

    // with paths, both members' files must be there
    MLFFForce* byPath = makeForce(g, 0, true);
    byPath->addEnsembleMember("not-a-file", scaleTensor(readContent(findModel(g.model)),
                                                        "energy_mlp.mlp.2.weight", 1.1f));
    byPath->setModelStorage(MLFFForce::Path);
    System other;
    addParticles(other, g);
    other.addForce(byPath);
    CHECK_THROWS("refers to the model file not-a-file (SHA-256 " +
                 byPath->getEnsembleMemberHash(1), fromXml(toXml(other)));
}

// Without the properties of charges and ensembles their defaults hold.
static void testShorterXml() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeSpecialForce(g);
    force->setCheckElectrons(true);
    system.addForce(force);
    string xml = toXml(system);
    for (const char* property : {"coulombMethod", "coulombCutoff", "coulombAlpha",
                                 "ewaldErrorTolerance", "useDispersion", "dispersionCutoff",
                                 "evaluationMode", "denseThreshold", "matrixPrecision",
                                 "useDeviceGraph", "checkGeometry", "checkElectrons"}) {
        const size_t at = xml.find(string(" ") + property + "=\""), open = xml.find('"', at);
        CHECK(at != string::npos);
        xml.erase(at, xml.find('"', open+1)+1-at);
    }
    const size_t members = xml.find("<EnsembleMembers");
    CHECK(members != string::npos);
    xml.erase(members, xml.find("/>", members)+2-members);
    checkSameForce(forceOf(system), forceOf(*fromXml(xml)));
}

// Bonds under the name that they had first.
static void testFormerNameOfBonds() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    system.addForce(makeSpecialForce(g));
    string xml = toXml(system);
    int found = 0;
    for (size_t at; (at = xml.find("MoleculeBond")) != string::npos; found++)
        xml.erase(at, strlen("Molecule"));
    CHECK(found == 2+forceOf(system).getNumBonds());
    checkSameForce(forceOf(system), forceOf(*fromXml(xml)));
}

// A model that takes its dispersion table from a second file: by path, and embedded.
static void testModelOfTwoFiles() {
    const string path = findModel("aimnet2_wb97m_d3_member0");
    if (path.empty()) {
        printf("    skipped: a model of two files (MLFF_SHARED)\n");
        return;
    }
    for (auto storage : {MLFFForce::Path, MLFFForce::Embedded}) {
        System system;
        system.addParticle(1);
        auto* force = new MLFFForce(path);
        force->addAtom(0, 1);
        force->setRegionParameters(0, 1);
        force->setModelStorage(storage);
        system.addForce(force);
        const std::unique_ptr<System> copy = fromXml(toXml(system));
        CHECK(forceOf(*copy).getModelHash() == force->getModelHash());
        CHECK(evaluate(*copy, {Vec3()}).getPotentialEnergy() ==
              evaluate(system, {Vec3()}).getPotentialEnergy());
    }
}

static void testDamagedModel() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    const string xml = toXml(system), hash = forceOf(system).getModelHash();
    const string mark = "base64=\"";
    const size_t data = xml.find(mark)+mark.size();

    string changed(xml);
    changed[data+5000] = (changed[data+5000] == 'A' ? 'B' : 'A');
    CHECK_THROWS("the model in this XML is damaged: expected SHA-256 " + hash + ", found ",
                 fromXml(changed));
    string shorter(xml);
    shorter.erase(data+5000, 4);
    CHECK_THROWS("(613621 bytes, expected 613624)", fromXml(shorter));
    string garbage(xml);
    garbage.replace(data+5000, 4, "!?*-");
    CHECK_THROWS("the model in this XML is damaged", fromXml(garbage));
    const size_t part = xml.find("<Part "), next = xml.find("<Part ", part+1);
    CHECK_THROWS("the model in this XML is damaged",
                 fromXml(string(xml).erase(part, next-part)));
    CHECK_THROWS("the model in this XML is damaged",
                 fromXml(replaced(xml, "sha256=\"" + hash.substr(0, 4), "sha256=\"xxxx")));
}

static void testMissingAndChangedFile() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const string path = "model-of-this-test.safetensors";
    std::filesystem::copy_file(bundledModel(), path,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                                 std::filesystem::perm_options::add);
    System system;
    addParticles(system, g);
    auto* force = new MLFFForce(path);
    for (int i = 0; i < g.size(); i++)
        force->addAtom(i, g.numbers[i]);
    force->setModelStorage(MLFFForce::Path);
    system.addForce(force);
    const string xml = toXml(system);
    CHECK_NEAR(g.energy, evaluate(*fromXml(xml), g.positions).getPotentialEnergy(), 1e-6);

    std::ofstream(path, std::ios::binary | std::ios::app) << "more";
    CHECK_THROWS("the model file " + path + " is not the one that this XML was saved with: "
                 "expected SHA-256 " + force->getModelHash(), fromXml(xml));
    std::filesystem::remove(path);
    CHECK_THROWS("refers to the model file " + path, fromXml(xml));
    // the force itself does not need the file any more
    CHECK_NEAR(g.energy, evaluate(system, g.positions).getPotentialEnergy(), 1e-6);
}

static void testForeignXml() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    const string xml = toXml(system);
    const string ours = "useDispersion=\"1\"", version = ours + " version=\"1\"";
    CHECK_THROWS("has version 2 of the force, this plugin reads versions 1 to 1",
                 fromXml(replaced(xml, version, ours + " version=\"2\"")));
    CHECK_THROWS("has version 0", fromXml(replaced(xml, version, ours + " version=\"0\"")));
    CHECK_THROWS("has version", fromXml(replaced(xml, version, ours + " version=\"x\"")));
    CHECK_THROWS("version", fromXml(replaced(xml, version, ours)));
    for (const char* choice : {"coulombMethod", "evaluationMode", "matrixPrecision"}) {
        const string name = string(" ") + choice + "=\"";
        CHECK_THROWS(string("this XML has ") + choice + "=\"9\": expected 0 to",
                     fromXml(replaced(xml, name + "0\"", name + "9\"")));
        CHECK_THROWS("\"-1\"", fromXml(replaced(xml, name + "0\"", name + "-1\"")));
    }
    CHECK_THROWS("the unknown way 'cloud'",
                 fromXml(replaced(xml, "storage=\"embedded\"", "storage=\"cloud\"")));
    CHECK_THROWS("Model", fromXml(replaced(replaced(xml, "<Model", "<Muddle"), "</Model",
                                           "</Muddle")));
    const size_t region = xml.find("<Region "), end = xml.find("/>", region);
    CHECK_THROWS("no region", fromXml(string(xml).erase(region, end+2-region)));
}

// A force keeps its model when it is copied by way of the serializer, as CustomCVForce does.
static void testClone() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const std::unique_ptr<MLFFForce> force(makeSpecialForce(g));
    const std::unique_ptr<MLFFForce> copy(XmlSerializer::clone<MLFFForce>(*force));
    checkSameForce(*force, *copy);
}

// Not a check of speed, but of large content: one and four forces with a model of 9 MB.
static void testLargeModel() {
    const string path = findModel("aimnet2_wb97m_d3_member0");
    if (path.empty()) {
        printf("    skipped: a large model (MLFF_SHARED)\n");
        return;
    }
    System system;
    system.addParticle(1);
    for (int count : {1, 4}) {
        while (system.getNumForces() < count) {
            system.addForce(new MLFFForce(path));
            dynamic_cast<MLFFForce&>(system.getForce(system.getNumForces()-1)).addAtom(0, 1);
        }
        using clock = std::chrono::steady_clock;
        using ms = std::chrono::duration<double, std::milli>;
        const auto begin = clock::now();
        const string xml = toXml(system);
        const auto middle = clock::now();
        const std::unique_ptr<System> copy = fromXml(xml);
        const auto end = clock::now();
        CHECK(copy->getNumForces() == count);
        CHECK(forceOf(*copy).getModelHash() == forceOf(system).getModelHash());
        printf("    %d model(s) of %.1f MB: XML written in %.0f ms, read in %.0f ms\n", count,
               std::filesystem::file_size(path)/1e6, ms(middle-begin).count(),
               ms(end-middle).count());
    }
}

int main() {
    loadPlugins();
    RUN(testRoundTrip, MLFFForce::Embedded);
    RUN(testRoundTrip, MLFFForce::Path);
    RUN(testRegionsRoundTrip);
    RUN(testChargesRoundTrip);
    RUN(testShorterXml);
    RUN(testFormerNameOfBonds);
    RUN(testModelOfTwoFiles);
    RUN(testDamagedModel);
    RUN(testMissingAndChangedFile);
    RUN(testForeignXml);
    RUN(testClone);
    RUN(testLargeModel);
    return check_report("serialization of MLFFForce");
}
