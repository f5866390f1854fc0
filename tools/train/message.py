"""The message step of PaiNN for torch: compiled C with two derivatives, or plain torch.

PAINN_NO_C=1 in the environment, float64, or a machine without a C compiler: plain torch.
"""
import ctypes
import functools
import os
import subprocess
import sys
import tempfile

import torch

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "message.c")
FLAGS = ["-std=c11", "-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-shared",
         "-fPIC"]


@functools.cache
def c_library(F):
    """The message kernels for F features, or None without a compiler."""
    if os.environ.get("PAINN_NO_C"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "message.so")
        try:
            subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, f"-DF={F}", SOURCE, "-o", path],
                           check=True)
            return ctypes.CDLL(path)
        except (OSError, subprocess.CalledProcessError):
            print("no C compiler: using the torch message step", file=sys.stderr)
            return None


def call(function, a, b, tensors, has_v):
    """Call a kernel of message.c with the pairs and its tensors in order, all contiguous."""
    function(ctypes.c_long(len(a)), *(ctypes.c_void_p(t.data_ptr()) for t in (a, b, *tensors)),
             int(has_v))


class Message(torch.autograd.Function):
    """W, x, v, u -> ds, dv."""

    @staticmethod
    def forward(ctx, W, x, v, u, a, b, has_v, library):
        n_atoms, F = x.shape[0], x.shape[1] // 3
        W, x, v, u = W.contiguous(), x.contiguous(), v.contiguous(), u.contiguous()
        ds, dv = x.new_zeros(n_atoms, F), x.new_zeros(n_atoms, 3, F)
        call(library.message_forward, a, b, (W, x, v, u, ds, dv), has_v)
        ctx.save_for_backward(W, x, v, u, a, b)
        ctx.has_v, ctx.library = has_v, library
        return ds, dv

    @staticmethod
    def backward(ctx, grad_ds, grad_dv):
        W, x, v, u, a, b = ctx.saved_tensors
        gradients = MessageBackward.apply(W, x, v, u, grad_ds, grad_dv, a, b, ctx.has_v,
                                          ctx.library)
        return (*gradients, None, None, None, None)


class MessageBackward(torch.autograd.Function):
    """W, x, v, u, grad_ds, grad_dv -> gradients of W, x, v, u."""

    @staticmethod
    def forward(ctx, W, x, v, u, grad_ds, grad_dv, a, b, has_v, library):
        grad_ds, grad_dv = grad_ds.contiguous(), grad_dv.contiguous()
        out = (torch.empty_like(W), torch.zeros_like(x), torch.zeros_like(v), torch.empty_like(u))
        call(library.message_backward, a, b, (W, x, v, u, grad_ds, grad_dv, *out), has_v)
        ctx.save_for_backward(W, x, v, u, grad_ds, grad_dv, a, b)
        ctx.has_v, ctx.library = has_v, library
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *directions):
        *inputs, a, b = ctx.saved_tensors
        W, x, v, u, grad_ds, grad_dv = inputs
        directions = [t.contiguous() for t in directions]
        out = (torch.empty_like(W), torch.zeros_like(x), torch.zeros_like(v), torch.empty_like(u),
               torch.zeros_like(grad_ds), torch.zeros_like(grad_dv))
        call(ctx.library.message_second, a, b, (*inputs, *directions, *out), ctx.has_v)
        return (*out, None, None, None, None)


def message_torch(W, x, v, u, a, b, has_v):
    """message() in plain torch, any dtype."""
    F = x.shape[1] // 3
    i, j = torch.cat([a, b]), torch.cat([b, a])
    gated = torch.cat([W, W]) * x[j]
    direction = torch.cat([u, -u])
    dv = gated[:, None, F:2*F] * direction[:, :, None]
    if has_v:
        dv = dv + gated[:, None, 2*F:] * v[j]
    return (x.new_zeros(len(x), F).index_add(0, i, gated[:, :F]),
            torch.zeros_like(v).index_add(0, i, dv))


def message(W, x, v, u, a, b, has_v):
    """Changes ds [n, F], dv [n, 3, F] of the features by one message step.

    a, b [pairs]: each pair once; u [pairs, 3] unit vector from a to b; W [pairs, 3F] and x [n, 3F]
    in blocks s, r, v; v [n, 3, F], zero where has_v is False.
    """
    library = c_library(x.shape[1] // 3) if x.dtype == torch.float32 else None
    if library is None:
        return message_torch(W, x, v, u, a, b, has_v)
    return Message.apply(W, x, v, u, a, b, has_v, library)
