/*
 * SWIG interface of MLFFForce, built as openmmmlff.mlffforce.
 *
 * The class and its docstrings come from MLFFForce.h itself (swig -doxygen). What this file adds:
 * OpenMM's conversions (units, exceptions, tuples), pickling, and the methods only Python has.
 */
%module(package="openmmmlff") mlffforce

%include "factory.i"
%import(module="openmm") "swig/OpenMMSwigHeaders.i"
%include "swig/typemaps.i"
%include <std_string.i>

%{
#include "MLFFForce.h"
#include "mlff.h"
#include "mlff_box.h"
#include "mlff_elements.h"
#include "mlff_longrange.h"
#include "OpenMM.h"
#include "OpenMMAmoeba.h"
#include "OpenMMDrude.h"
#include "openmm/RPMDIntegrator.h"
#include "openmm/RPMDMonteCarloBarostat.h"
#include "openmm/serialization/XmlSerializer.h"
#include <chrono>
#include <climits>
#include <memory>
#include <sstream>
using OpenMM::Vec3;  // as OpenMM's typemaps spell it
%}

%pythonbegin %{
import math

import numpy
from openmm import unit
%}

// ------------------------------------------------------------------- exceptions, threads

%{
namespace {

// Python's exception for one of C++. One that Python code has raised meanwhile (a KeyboardInterrupt
// in PythonInterruption) stays.
void raiseInPython(const std::exception& e) {
    if (PyErr_Occurred() != NULL)
        return;
    PyObject* mm = PyImport_ImportModule("openmm");
    PyObject* type = (mm == NULL ? NULL : PyObject_GetAttrString(mm, "OpenMMException"));
    if (type != NULL)
        PyErr_SetString(type, e.what());
    Py_XDECREF(type);
    Py_XDECREF(mm);
}

// Ends a computation when a signal handler of Python raises, as that of Ctrl-C does. Handlers run
// in Python's main thread only; the exception is left for raiseInPython().
class PythonInterruption : public OpenMM::MLFFInterruption {
public:
    PythonInterruption() : last(std::chrono::steady_clock::now()) {
    }
    bool isRequested() {
        const auto now = std::chrono::steady_clock::now();
        if (now-last < std::chrono::milliseconds(50))
            return false;
        last = now;
        const PyGILState_STATE state = PyGILState_Ensure();
        const bool raised = (PyErr_CheckSignals() != 0);
        PyGILState_Release(state);
        return raised;
    }
private:
    std::chrono::steady_clock::time_point last;
};

} // namespace
%}

%exception {
    try {
        $action
    } catch (std::exception& e) {
        raiseInPython(e);
        SWIG_fail;
    }
}

// What computes or reads model files lets other threads run, as OpenMM's getState() does. The rest
// is quick, and threads that share a force do not meet inside it. No destructor takes the
// interpreter back: when Python ends, that call unwinds the stack of a daemon thread.
%define %othersRun(METHOD)
%exception OpenMM::MLFFForce::METHOD {
    PyThreadState* thread = PyEval_SaveThread();
    try {
        $action
    } catch (std::exception& e) {
        PyEval_RestoreThread(thread);
        raiseInPython(e);
        SWIG_fail;
    }
    PyEval_RestoreThread(thread);
}
%enddef
%othersRun(MLFFForce)
%othersRun(addEnsembleMember)
%othersRun(_fromXml)
%othersRun(updateParametersInContext)
%othersRun(getAtomCharges)
%othersRun(getEnergyComponents)
%othersRun(getEnsembleDeviation)
%othersRun(computeHessian)
%othersRun(getGeometryWarning)

// Python's callers do not see this argument.
%ignore OpenMM::MLFFInterruption;
%ignore OpenMM::MLFFInterrupted;
%typemap(in, numinputs=0) OpenMM::MLFFInterruption* (PythonInterruption interruption) {
    $1 = &interruption;
}

// ----------------------------------------------------------------------------- numbers

// Numbers of any type and unit become what C++ takes, or errors, in openmmmlff/quantities.py; those
// that are Python's own take a shorter way.
%{
namespace {

// The result of a function there, a new reference; NULL on error. method is SWIG's name, such as
// MLFFForce_addAtom.
PyObject* convert(const char* function, PyObject* value, const char* kind, const char* method,
                  const char* argument) {
    std::string what(method);
    const size_t dot = what.find('_');
    if (dot != std::string::npos)
        what[dot] = '.';
    what += std::string("(): ")+argument;
    PyObject* module = PyImport_ImportModule("openmmmlff.quantities");
    if (module == NULL)
        return NULL;
    PyObject* result = (kind == NULL ?
        PyObject_CallMethod(module, function, "Os", value, what.c_str()) :
        PyObject_CallMethod(module, function, "Oss", value, kind, what.c_str()));
    Py_DECREF(module);
    return result;
}

bool toDouble(PyObject* value, const char* kind, const char* method, const char* argument,
              double& result) {
    if (PyFloat_CheckExact(value)) {
        result = PyFloat_AS_DOUBLE(value);
        return true;
    }
    PyObject* number = convert("number", value, kind, method, argument);
    if (number == NULL)
        return false;
    result = PyFloat_AsDouble(number);
    Py_DECREF(number);
    return !PyErr_Occurred();
}

// names: the constants of an enumeration; NULL: any whole number that an int can hold.
bool toInt(PyObject* value, const char* names, const char* method, const char* argument,
           int& result) {
    if (names == NULL && PyLong_CheckExact(value)) {
        int overflow;
        const long number = PyLong_AsLongAndOverflow(value, &overflow);
        result = (int) number;
        if (overflow == 0 && number == result)
            return true;
    }
    PyObject* number = (names == NULL ? convert("integer", value, NULL, method, argument) :
                        convert("choice", value, names, method, argument));
    if (number == NULL)
        return false;
    result = (int) PyLong_AsLong(number);
    Py_DECREF(number);
    return true;
}

bool toVec3(PyObject* value, const char* kind, const char* method, const char* argument,
            OpenMM::Vec3& result) {
    PyObject* list = convert("vector", value, kind, method, argument);
    if (list == NULL)
        return false;
    for (int k = 0; k < 3; k++)
        result[k] = PyFloat_AsDouble(PyList_GET_ITEM(list, k));
    Py_DECREF(list);
    return true;
}

bool toBool(PyObject* value, const char* method, const char* argument, bool& result) {
    PyObject* flag = convert("boolean", value, NULL, method, argument);
    result = (flag == Py_True);
    Py_XDECREF(flag);
    return flag != NULL;
}

// The object of C++ behind one of Python; an error for None and all other types.
bool toObject(PyObject* value, swig_type_info* type, const char* expected, const char* method,
              const char* argument, void*& result) {
    if (SWIG_IsOK(SWIG_ConvertPtr(value, &result, type, 0)) && result != NULL)
        return true;
    Py_XDECREF(convert("refuse", value, expected, method, argument));
    return false;
}

bool toText(PyObject* value, const char* method, const char* argument, std::string& result) {
    PyObject* text = convert("text", value, NULL, method, argument);
    Py_ssize_t length;
    const char* bytes = (text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, &length));
    if (bytes != NULL)
        result.assign(bytes, (size_t) length);
    Py_XDECREF(text);
    return bytes != NULL;
}

} // namespace
%}

%typemap(in) int {
    if (!toInt($input, NULL, "$symname", "$1_name", $1))
        SWIG_fail;
}
%typemap(in) bool {
    if (!toBool($input, "$symname", "$1_name", $1))
        SWIG_fail;
}
// The kinds of arguments by name; those that are not named here are numbers without a unit.
%define %number(ARGUMENT, KIND)
%typemap(in) double ARGUMENT {
    if (!toDouble($input, KIND, "$symname", "$1_name", $1))
        SWIG_fail;
}
%enddef
%number(, "number")
%number(totalCharge, "charge")
%number(cutoff, "length")
%number(alpha, "inverse length")
// Three lengths.
%typemap(in) const Vec3& (OpenMM::Vec3 vector), const OpenMM::Vec3& (OpenMM::Vec3 vector) {
    if (!toVec3($input, "length", "$symname", "$1_name", vector))
        SWIG_fail;
    $1 = &vector;
}
// The constants that an enumeration has.
%define %choice(ENUMERATION, NAMES)
%typemap(in) OpenMM::MLFFForce::ENUMERATION {
    int value;
    if (!toInt($input, NAMES, "$symname", "$1_name", value))
        SWIG_fail;
    $1 = static_cast<OpenMM::MLFFForce::ENUMERATION>(value);
}
%enddef
%choice(ModelStorage, "Embedded Path")
%choice(CoulombMethod, "Default NoCoulomb Simple DSF Ewald PME")
%choice(EvaluationMode, "Auto Dense Sparse")
%choice(MatrixPrecision, "Full SplitHalf TF32")
// Texts, and objects of OpenMM's classes.
%define %text(ARGUMENT)
%typemap(in) const std::string& ARGUMENT (std::string text) {
    if (!toText($input, "$symname", "$1_name", text))
        SWIG_fail;
    $1 = &text;
}
%typemap(freearg) const std::string& ARGUMENT ""
%enddef
%text(name)
%text(xml)
%define %object(TYPE, EXPECTED)
%typemap(in) TYPE {
    void* object = NULL;
    if (!toObject($input, $1_descriptor, EXPECTED, "$symname", "$1_name", object))
        SWIG_fail;
    $1 = reinterpret_cast<$1_ltype>(object);
}
%enddef
%object(OpenMM::Context&, "an openmm.Context")
%object(OpenMM::Force&, "an openmm.Force")
%object(const OpenMM::System&, "an openmm.System")
// With default values SWIG writes several functions and takes the one that fits. Here it is to write
// one, so that the conversions above tell what is wrong with an argument.
%define %oneFunction(METHOD)
%feature("kwargs") OpenMM::MLFFForce::METHOD;
%enddef
%oneFunction(addRegion)
%oneFunction(setRegionParameters)
%oneFunction(addAtom)
%oneFunction(setAtomParameters)
%oneFunction(getAtomCharges)
%oneFunction(getEnergyComponents)
%oneFunction(getEnsembleDeviation)
%oneFunction(computeHessian)

// ------------------------------------------------------------------------- conversions

// The content of a model file: anything that is bytes, of any length.
%typemap(in) const std::string& content (std::string bytes) {
    Py_buffer view;
    if (PyObject_GetBuffer($input, &view, PyBUF_SIMPLE) != 0)
        SWIG_fail;
    bytes.assign((const char*) view.buf, (size_t) view.len);
    PyBuffer_Release(&view);
    $1 = &bytes;
}
%typemap(typecheck, precedence=SWIG_TYPECHECK_POINTER) const std::string& content {
    $1 = PyObject_CheckBuffer($input);
}
%typemap(freearg) const std::string& content ""

%typemap(out) std::vector<int> {
    $result = PyTuple_New((Py_ssize_t) $1.size());
    for (size_t i = 0; $result != NULL && i < $1.size(); i++)
        PyTuple_SET_ITEM($result, (Py_ssize_t) i, PyLong_FromLong($1[i]));
}

%apply int& OUTPUT {int& particle, int& atomicNumber, int& region, int& particle1, int& particle2,
                    int& multiplicity};
%apply double& OUTPUT {double& totalCharge, double& energy, double& force};

// Many numbers go through one bytearray to numpy.
%typemap(in, numinputs=0) std::vector<double>& (std::vector<double> values) {
    $1 = &values;
}
%typemap(argout) std::vector<double>& {
    Py_XDECREF($result);
    $result = PyByteArray_FromStringAndSize((const char*) $1->data(),
                                            (Py_ssize_t) ($1->size()*sizeof(double)));
    if ($result == NULL)
        SWIG_fail;
}
%typemap(out) std::map<std::string, double> {
    $result = PyDict_New();
    for (const auto& item : $1) {
        PyObject* value = PyFloat_FromDouble(item.second);
        if ($result != NULL && value != NULL)
            PyDict_SetItemString($result, item.first.c_str(), value);
        Py_XDECREF(value);
    }
}

%typemap(out) std::map<std::string, std::string> {
    $result = PyDict_New();
    const std::map<std::string, std::string>& items = $1;  // which may be wrapped
    for (const auto& item : items) {
        PyObject* value = PyUnicode_FromString(item.second.c_str());
        if ($result != NULL && value != NULL)
            PyDict_SetItemString($result, item.first.c_str(), value);
        Py_XDECREF(value);
    }
}

%pythonappend OpenMM::MLFFForce::getExecutionInfo %{
        val = {name: _numberIfItIsOne(text) for name, text in val.items()}
%}
%pythonappend OpenMM::MLFFForce::getModelCutoff %{
        val = unit.Quantity(val, unit.nanometer)
%}
%pythonappend OpenMM::MLFFForce::getCoulombCutoff %{
        val = unit.Quantity(val, unit.nanometer)
%}
%pythonappend OpenMM::MLFFForce::getCoulombAlpha %{
        val = unit.Quantity(val, unit.nanometer**-1)
%}
%pythonappend OpenMM::MLFFForce::getDispersionCutoff %{
        val = unit.Quantity(val, unit.nanometer)
%}
%pythonappend OpenMM::MLFFForce::getAtomCharges %{
        val = unit.Quantity(numpy.frombuffer(val), unit.elementary_charge)
%}
%pythonappend OpenMM::MLFFForce::getEnergyComponents %{
        val = {name: unit.Quantity(energy, unit.kilojoule_per_mole)
               for name, energy in val.items()}
%}
%pythonappend OpenMM::MLFFForce::getEnsembleDeviation %{
        val = (unit.Quantity(val[0], unit.kilojoule_per_mole),
               unit.Quantity(val[1], unit.kilojoule_per_mole/unit.nanometer))
%}
%pythonappend OpenMM::MLFFForce::computeHessian %{
        val = numpy.frombuffer(val)
        val = unit.Quantity(val.reshape(2*[math.isqrt(val.size)]),
                            unit.kilojoule_per_mole/unit.nanometer**2)
%}
%pythonappend OpenMM::MLFFForce::getRegionParameters %{
        val = (unit.Quantity(val[0], unit.elementary_charge), val[1])
%}
%pythonappend OpenMM::MLFFForce::getAtomParameters %{
        val = tuple(val)
%}
%pythonappend OpenMM::MLFFForce::getBondParameters %{
        val = tuple(val)
%}
// Three vectors in, three vectors out.
%ignore OpenMM::MLFFForce::getIntendedBoxVectors;

// What these return in Python; the header speaks of output arguments.
%feature("docstring") OpenMM::MLFFForce::getAtomCharges "
Get the charges of the atoms at the present positions of a Context, in the order of addAtom(). With
an ensemble: the mean. Models without charges: an OpenMMException.

:type context: openmm.Context
:param context: the Context
:rtype: Quantity
:return: the charge of each atom, a numpy array in units of the proton charge
"
%feature("docstring") OpenMM::MLFFForce::getEnergyComponents "
Get the terms of the energy at the present positions of a Context: 'network', 'elements' and, for
models with charges, 'coulomb_short_range', 'coulomb' and 'dispersion'. Before scale parameter and
energy factor; they sum to the model's energy. With an ensemble: the mean.

:type context: openmm.Context
:param context: the Context
:rtype: dict
:return: the terms by name, each a Quantity in kJ/mol
"
%feature("docstring") OpenMM::MLFFForce::getEnsembleDeviation "
Get how well the members of an ensemble agree at the present positions of a Context.

:type context: openmm.Context
:param context: the Context
:rtype: tuple
:return: two Quantities: the unbiased standard deviation of the energy, in kJ/mol, and the largest,
    over the atoms, of the standard deviation of the force, in kJ/mol/nm:
    sqrt(sum over members and x y z of (F - mean)^2/(members - 1))
"
%feature("docstring") OpenMM::MLFFForce::getExecutionInfo "
Get how a Context evaluates this force, for people, benchmarks and bug reports: 'platform',
'precision', 'mode' and what else the platform has to tell, see docs/execution-info.md.

:type context: openmm.Context
:param context: the Context
:rtype: dict
:return: values by name, numbers as int or float, the rest as str
"
%feature("docstring") OpenMM::MLFFForce::computeHessian "
Get the second derivatives of the energy at the present positions of a Context, by central
differences of the analytic forces. Before scale parameter and energy factor. See also
openmmmlff.vibrationalWavenumbers().

:type context: openmm.Context
:param context: the Context
:rtype: Quantity
:return: a symmetric numpy array [3n][3n] in kJ/mol/nm^2, in the order of addAtom(), x y z of each
"

%feature("docstring") OpenMM::MLFFForce::_getIntendedBox "
Get which periodic box the System is meant to have.

:rtype: list
:return: nine numbers in nm, the vectors one after the other; all zero: no box is known
"

%pythonprepend OpenMM::MLFFForce::setCoulombMethod %{
        from openmmmlff.models import coulombMethod
        method = coulombMethod(method)
%}

%pythonprepend OpenMM::MLFFForce::cast %{
        if type(force) is MLFFForce:
            return force
%}
// A Force that Python still owns hands its ownership on to the result of the cast, and stays valid
// by keeping that alive.
%pythonappend OpenMM::MLFFForce::cast %{
        if force.thisown:
            val.thisown = True
            force.thisown = False
            force._cast = val
%}

%feature("shadow") OpenMM::MLFFForce::MLFFForce %{
    def __init__(self, model, content=None):
        r"""
        Create an MLFFForce. The model file is read and checked here; the force does not need it
        afterwards.

        :type model: str or os.PathLike, or a sequence of them
        :param model: the path of a model file, or the name of a model: 'painn-hcno', which comes
            with the package, or one that `openmm-mlff get` has made known. Several, or a name such
            as 'aimnet2-ensemble', make an ensemble: energy, forces and charges are their mean
        :type content: bytes, optional
        :param content: the model file's bytes, if they are in memory already; model is then only a
            name to report
        """
        if content is None:
            from openmmmlff.models import modelPaths
            first, *others = modelPaths(model, "MLFFForce(): model")
            _mlffforce.MLFFForce_swiginit(self, _mlffforce.new_MLFFForce(first))
            for path in others:
                _mlffforce.MLFFForce_addEnsembleMember(self, path)
        else:
            from openmmmlff import quantities
            from openmmmlff.models import modelName
            _mlffforce.MLFFForce_swiginit(self, _mlffforce.new_MLFFForce(
                modelName(model, "MLFFForce(): model"),
                quantities.content(content, "MLFFForce(): content")))
%}

%feature("shadow") OpenMM::MLFFForce::addEnsembleMember %{
    def addEnsembleMember(self, model, content=None):
        r"""
        Add a member to the ensemble: energy, forces and charges are the mean of all members. The
        model given to the constructor is member 0. All members must have the same architecture and
        the same elements.

        :type model: str or os.PathLike
        :param model: the path of a model file, or the name of a model, as for MLFFForce()
        :type content: bytes, optional
        :param content: the model file's bytes, if they are in memory already; model is then only a
            name to report
        :rtype: int
        :return: the index of the member that was added
        """
        from openmmmlff import quantities
        from openmmmlff.models import modelName, modelPath
        method = "MLFFForce.addEnsembleMember()"
        if content is None:
            return _mlffforce.MLFFForce_addEnsembleMember(self,
                                                          modelPath(model, f"{method}: model"))
        return _mlffforce.MLFFForce_addEnsembleMember(
            self, modelName(model, f"{method}: model"),
            quantities.content(content, f"{method}: content"))
%}

// ------------------------------------------------------------------------------- class

// getModel() is for the platforms; _modelInfo() below gives its facts.
%ignore OpenMM::MLFFForce::getModel;
%newobject OpenMM::MLFFForce::_fromXml;
%newobject OpenMM::MLFFForce::_copy;

#define OPENMM_EXPORT_MLFF
%include "MLFFForce.h"

%extend OpenMM::MLFFForce {
    /**
     * Get a Force as the MLFFForce that it is.  It is needed for those that OpenMM returned as
     * plain Forces before openmmmlff was imported.
     *
     * @param force    a Force for which isinstance() is true
     */
    static OpenMM::MLFFForce& cast(OpenMM::Force& force) {
        OpenMM::MLFFForce* result = dynamic_cast<OpenMM::MLFFForce*>(&force);
        if (result == NULL)
            throw OpenMM::OpenMMException("MLFFForce.cast(): the Force '" + force.getName() +
                                          "' is not an MLFFForce: ask isinstance() first");
        return *result;
    }

    /**
     * Get whether a Force is an MLFFForce.
     */
    static bool isinstance(OpenMM::Force& force) {
        return dynamic_cast<OpenMM::MLFFForce*>(&force) != NULL;
    }

    static OpenMM::MLFFForce* _fromXml(const std::string& xml) {
        std::stringstream stream(xml);
        std::unique_ptr<OpenMM::Force> force(
            OpenMM::XmlSerializer::deserialize<OpenMM::Force>(stream));
        OpenMM::MLFFForce* result = dynamic_cast<OpenMM::MLFFForce*>(force.get());
        if (result == NULL)
            throw OpenMM::OpenMMException("the XML does not hold an MLFFForce");
        force.release();
        return result;
    }

    // The copy shares the checked models, which never change.
    OpenMM::MLFFForce* _copy() const {
        return new OpenMM::MLFFForce(*self);
    }

    // [9] nm, see getIntendedBoxVectors() below
    PyObject* _getIntendedBox() const {
        OpenMM::Vec3 box[3];
        self->getIntendedBoxVectors(box[0], box[1], box[2]);
        PyObject* values = PyList_New(9);
        for (int k = 0; values != NULL && k < 9; k++)
            PyList_SET_ITEM(values, k, PyFloat_FromDouble(box[k/3][k%3]));
        return values;
    }

    // What is wrong with these box vectors for any number of atoms; "" if nothing is.
    static std::string _whyNoBox(const Vec3& a, const Vec3& b, const Vec3& c) {
        const OpenMM::Vec3 box[3] = {a, b, c};
        double cell[3][3];
        for (int k = 0; k < 9; k++)
            cell[k/3][k%3] = 10*box[k/3][k%3];
        mlff_error err;
        mlff_box measured;
        if (mlff_box_measure(cell, &measured, &err) != MLFF_OK)
            return err.message;
        if (mlff_box_is_dummy(cell) && mlff_box_check_meant(cell, 1, &err) != MLFF_OK)
            return err.message;
        return "";
    }

    // Covalent radius of an element, angstrom.
    static double _covalentRadius(int atomicNumber) {
        return mlff_covalent_radius(atomicNumber);
    }

    // Facts that decide which options have an effect, of member 0.
    bool _hasCoulomb() const {
        return mlff_model_longrange(&self->getModel())->coulomb;
    }
    bool _hasDispersion() const {
        return mlff_model_longrange(&self->getModel())->dispersion;
    }
    // Whether a total charge other than 0 is refused although the model has charges.
    bool _isNeutralOnly() const {
        return mlff_model_get_info(&self->getModel())->neutral_only;
    }
    // Why the model cannot have the Coulomb method that is set; "" if it can.
    std::string _whyNoCoulomb() const {
        mlff_settings settings = {};
        settings.coulomb = static_cast<mlff_coulomb>(self->getCoulombMethod());
        settings.dispersion = -1;   // not asked for
        mlff_longrange resolved;
        mlff_error err;
        if (mlff_longrange_resolve(mlff_model_longrange(&self->getModel()), &settings,
                                   self->usesPeriodicBoundaryConditions(), &resolved,
                                   &err) != MLFF_OK)
            return err.message;
        return "";
    }
    // Whether the energy of every member stays the same when everything is rotated.
    bool _isRotationInvariant() const {
        for (int k = 0; k < self->getNumEnsembleMembers(); k++)
            if (!mlff_model_get_info(&self->getModel(k))->rotation_invariant)
                return false;
        return true;
    }

    // What openmmmlff.modelInfo() returns; lengths in angstrom.
    PyObject* _modelInfo() const {
        const mlff_model_info* info = mlff_model_get_info(&self->getModel());
        PyObject* elements = PyList_New(info->n_elements);
        for (int i = 0; elements != NULL && i < info->n_elements; i++)
            PyList_SET_ITEM(elements, i, PyLong_FromLong(info->elements[i]));
        return Py_BuildValue("{s:s,s:s,s:N,s:d,s:i,s:l,s:N,s:N,s:s,s:s,s:s,s:s,s:s,s:s,"
                             "s:s,s:(ii),s:n,s:s}",
            "architecture", info->display_name, "format", info->format, "elements", elements,
            "cutoff", info->cutoff, "layers", info->n_layers, "parameters", info->n_parameters,
            "has_charges", PyBool_FromLong(info->has_charges),
            "has_spin", PyBool_FromLong(info->has_spin), "energy_unit", info->energy_unit,
            "licence", info->licence, "source", info->source, "citation", info->citation,
            "scope", info->scope, "charge", info->charge, "multiplicity", info->multiplicity,
            "trained_atoms", info->trained_atoms[0], info->trained_atoms[1],
            "bytes", (Py_ssize_t) info->n_bytes, "sha256", info->sha256);
    }

    %pythoncode %{
    @classmethod
    def fromTopology(cls, model, topology, atoms=None, charge=0, multiplicity=1, periodic=None,
                     coulomb=None):
        r"""
        Create an MLFFForce for the atoms of a Topology: elements and bonds are taken from it.

        :type model: str or os.PathLike, or a sequence of them
        :param model: path or name of a model, or several for an ensemble, as for MLFFForce()
        :type topology: openmm.app.Topology
        :param topology: its atoms are the System's particles, in the same order
        :type atoms: iterable of int or openmm.app.Atom, optional
        :param atoms: the atoms that the network describes: indices or Atom objects; all if None
        :type charge: float or Quantity
        :param charge: the sum of their charges, in units of the proton charge
        :type multiplicity: int
        :param multiplicity: their spin multiplicity, 2S+1
        :type periodic: bool, optional
        :param periodic: whether the network sees the periodic images of its atoms. None: yes if
            it describes all atoms of a Topology that has a box; a part of the Topology is a
            molecule as in vacuum. The box is the Context's: give the System the Topology's by
            setDefaultPeriodicBoxVectors(), as openmmmlff.createSystem() does. An evaluation in
            OpenMM's default box instead is an error
        :type coulomb: str or int, optional
        :param coulomb: how the charges of a model with charges interact: 'none', 'simple', 'dsf',
            'ewald', 'pme', or a constant such as MLFFForce.PME; None: as the model was published
        :rtype: MLFFForce
        :return: the force, with all atoms in region 0
        """
        from openmmmlff.topology import forceFromTopology
        return forceFromTopology(cls, model, topology, atoms, charge, multiplicity, periodic,
                                 coulomb)

    def setForceGroup(self, group):
        r"""
        Set the force group that this force belongs to.

        :type group: int
        :param group: its number, from 0 to 31
        """
        from openmmmlff import quantities
        super().setForceGroup(quantities.integer(group, "MLFFForce.setForceGroup(): group"))

    def setName(self, name):
        r"""
        Set the name of this force, which programs and messages may use to tell forces apart.

        :type name: str
        :param name: any text
        """
        from openmmmlff import quantities
        super().setName(quantities.text(name, "MLFFForce.setName(): name"))

    def getIntendedBoxVectors(self):
        r"""
        Get which periodic box the System is meant to have; see setIntendedBoxVectors().

        :rtype: Quantity or None
        :return: three vectors in nm; None where no box is known
        """
        from openmm import Vec3
        values = self._getIntendedBox()
        if not any(values):
            return None
        return unit.Quantity([Vec3(*values[k:k+3]) for k in (0, 3, 6)], unit.nanometer)

    def __getstate__(self):
        from openmm import XmlSerializer
        return XmlSerializer.serialize(self)

    def __setstate__(self, state):
        self.this = MLFFForce._fromXml(state).this

    def __copy__(self):
        from copy import deepcopy
        duplicate = self._copy()
        attributes = {key: value for key, value in self.__dict__.items() if key != 'this'}
        duplicate.__dict__.update(deepcopy(attributes))
        return duplicate

    def __deepcopy__(self, memo):
        return self.__copy__()
    %}
}

%pythoncode %{
def _numberIfItIsOne(text):
    """A text as int or float if it reads as one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text

def _pythonExample(doc):
    """The example of the class's documentation in Python instead of C++."""
    import re
    return re.sub(r"MLFFForce\* force = new.*?addForce\(force\);", '''\
force = MLFFForce('painn-hcno')
       for particle, atomicNumber in ligand:
           force.addAtom(particle, atomicNumber)
       system.addForce(force)

    or, with elements and bonds from a Topology:

       system.addForce(MLFFForce.fromTopology('painn-hcno', topology, atoms))''', doc, flags=re.S)

if MLFFForce.__doc__:  # python -OO has no docstrings
    MLFFForce.__doc__ = _pythonExample(MLFFForce.__doc__)
%}
