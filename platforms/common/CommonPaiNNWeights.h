#ifndef OPENMM_COMMONPAINNWEIGHTS_H_
#define OPENMM_COMMONPAINNWEIGHTS_H_

#include "CommonDevice.h"
#include "mlff_painn.h"
#include <map>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * Weights of PaiNN's layers but for filters and readout, in one array, as painnNode.cc reads them:
 * one set of parameters behind the other.
 */
class CommonPaiNNWeights {
public:
    /**
     * @param layers     [numSets] those whose parameters differ
     * @param mode       Float: matrices stand as [input][output]; else as in CommonTensor.h
     * @throws OpenMMException    what CommonTensor::pack() throws
     */
    CommonPaiNNWeights(const mlff_painn_layer* layers, int numSets,
                       CommonDevice::MatrixMode mode);
    /**
     * All of it in single precision, packed matrices in their places.
     */
    std::vector<float> getFloats() const;
    std::vector<double> values;             // zeros where matrices are packed
    std::map<std::string, int> places;      // in a set, of each tensor; WEIGHTS: the set's size
private:
    void addLayer(const mlff_painn_layer& layer);
    void begin(const std::string& name);
    void addVector(const std::string& name, const mlff_tensor* tensor);
    void addMap(const std::string& name, const std::vector<const mlff_tensor*>& tensors);
    void addMatrix(const std::vector<double>& m, int numColumns, int numTerms);

    const CommonDevice::MatrixMode mode;
    size_t base;                                            // where the set begins
    std::map<size_t, std::vector<unsigned int> > packed;    // by their places in values
};

} // namespace OpenMM

#endif /*OPENMM_COMMONPAINNWEIGHTS_H_*/
