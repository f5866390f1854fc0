#include "CommonPaiNNWeights.h"
#include "CommonTensor.h"
#include "mlff_internal.h"
#include <cstring>

using namespace OpenMM;
using std::string;
using std::vector;

CommonPaiNNWeights::CommonPaiNNWeights(const mlff_painn_layer* layers, int numSets,
                                       CommonDevice::MatrixMode mode) : mode(mode), base(0) {
    for (int l = 0; l < numSets; l++)
        addLayer(layers[l]);
}

void CommonPaiNNWeights::addLayer(const mlff_painn_layer& layer) {
    base = values.size();
    addMap("CTX_W0", {layer.ctx_w0});
    addVector("CTX_B0", layer.ctx_b0);
    addMap("CTX_W1", {layer.ctx_w1});
    addVector("CTX_B1", layer.ctx_b1);
    addMap("MIX", {layer.mix_v, layer.mix_w});
    addVector("MIX_M", layer.mix_m);
    addMap("UPD_W0", {layer.upd_w0});
    addVector("UPD_B0", layer.upd_b0);
    addMap("UPD_W1", {layer.upd_w1});
    addVector("UPD_B1", layer.upd_b1);
    begin("WEIGHTS");
}

/** On a multiple of 4: kernels read four at once. */
void CommonPaiNNWeights::begin(const string& name) {
    values.resize((values.size()+3)/4*4);
    places[name] = (int) (values.size()-base);
}

void CommonPaiNNWeights::addVector(const string& name, const mlff_tensor* tensor) {
    if (tensor == nullptr)
        return;
    begin(name);
    for (int64_t k = 0; k < tensor->n_values; k++)
        values.push_back(mlff_tensor_value(tensor, k));
}

/**
 * A linear map both ways round: NAME for the reverse pass and NAME_T for the forward pass; nothing
 * without the tensors.  Several are the outputs of one map; but NAME_T in ordinary arithmetic has
 * them one behind another.
 */
void CommonPaiNNWeights::addMap(const string& name, const vector<const mlff_tensor*>& tensors) {
    if (tensors[0] == nullptr)
        return;
    const int numIn = (int) tensors[0]->shape[1];
    vector<double> all, turned;
    for (const mlff_tensor* tensor : tensors)
        for (int64_t k = 0; k < tensor->n_values; k++)
            all.push_back(mlff_tensor_value(tensor, k));
    const int numOut = (int) (all.size()/numIn);
    for (int i = 0; i < numIn; i++)
        for (int o = 0; o < numOut; o++)
            turned.push_back(all[(size_t) o*numIn+i]);
    begin(name);
    addMatrix(turned, numIn, numOut);
    begin(name+"_T");
    const int parts = (mode == CommonDevice::Float ? (int) tensors.size() : 1);
    for (int p = 0; p < parts; p++) {
        const auto first = all.begin()+p*(all.size()/parts);
        addMatrix(vector<double>(first, first+all.size()/parts), numOut/parts, numIn);
    }
}

/** m [numColumns][numTerms], to [numTerms][numColumns] or packed. */
void CommonPaiNNWeights::addMatrix(const vector<double>& m, int numColumns, int numTerms) {
    if (mode != CommonDevice::Float) {
        const size_t place = values.size();
        packed[place] = CommonTensor::pack(m, numColumns, numTerms,
                                           mode == CommonDevice::HalfPairs);
        values.resize(place+packed[place].size());
        return;
    }
    for (int k = 0; k < numTerms; k++)
        for (int o = 0; o < numColumns; o++)
            values.push_back(m[(size_t) o*numTerms+k]);
}

vector<float> CommonPaiNNWeights::getFloats() const {
    vector<float> floats(values.begin(), values.end());
    for (const auto& matrix : packed)
        std::memcpy(&floats[matrix.first], matrix.second.data(),
                    matrix.second.size()*sizeof(float));
    return floats;
}
