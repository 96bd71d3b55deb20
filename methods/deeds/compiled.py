"""Functions that numba compiles once. Later processes load the machine code without numba.

Importing numba and loading its own cache would take 0.9 s and 90 MB of each process.
"""

import ctypes
import hashlib
import os
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from regbench.base.files import digest, sha256, write_bytes

_LOCK = threading.Lock()
_HOST = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
#: What all compiled code depends on. Hashed before another file of these is imported.
_STATE = [sha256(source) for source in sorted(Path(__file__).parent.glob("*.py"))]
_STATE += [version("numba"), llvm.llvm_version_info, _HOST]
_NUMBERS = {int: ctypes.c_int64, float: ctypes.c_double, np.float32: ctypes.c_float}


class Compiled:
    """A function of whole arrays and numbers that writes into its arrays and returns nothing.

    Inside, arrays are neither made nor assigned to each other: numba's memory manager is not there.
    It may call others of its kind, which may return something. It runs without Python's lock.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._engines: list[Any] = []
        self._loaded: dict[tuple[Any, ...], Callable[..., int]] = {}

    @property
    def _numba_type_(self) -> Any:
        """What it is to numba, where another one calls it."""
        return self._dispatcher()._numba_type_

    def __call__(self, *values: Any) -> None:
        kinds = tuple(_kind(value) for value in values)
        with _LOCK:
            if kinds not in self._loaded:
                self._loaded[kinds] = self._load(values, kinds)
        # Where numba would put a result, and an error.
        unused = ctypes.c_int64()
        words = [word for value in values for word in _words(value)]
        if self._loaded[kinds](ctypes.byref(unused), ctypes.byref(unused), *words):
            raise RuntimeError(f"{self.function.__name__} failed")

    def _dispatcher(self) -> Any:
        from numba import njit

        if not hasattr(self, "_known"):
            bare = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
            self._known = njit(error_model="numpy", forceinline=True, **bare)(self.function)
        return self._known

    def _load(self, values: tuple[Any, ...], kinds: tuple[Any, ...]) -> Callable[..., int]:
        name = (self.function.__module__.rpartition(".")[2], self.function.__name__)
        file = _folder() / f"{digest([name, kinds, _STATE])}.o"
        try:
            content = file.read_bytes()
        except OSError:
            content = b""
        code = content[32:]
        if hashlib.sha256(code).digest() != content[:32]:
            code = self._compile(values)
            try:
                write_bytes(file, hashlib.sha256(code).digest() + code)
            except OSError:
                warnings.warn(
                    "no writable cache folder: Deeds compiles anew in each process (about 15 s);"
                    " NUMBA_CACHE_DIR names one",
                    stacklevel=2,
                )
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        # The code goes when its engine does.
        self._engines.append(engine)
        return ctypes.CFUNCTYPE(ctypes.c_int32)(engine.get_function_address("kernel"))

    def _compile(self, values: tuple[Any, ...]) -> bytes:
        import numba

        known = self._dispatcher()
        known.compile(tuple(map(numba.typeof, values)))
        if known.nopython_signatures[-1].return_type != numba.types.none:
            raise TypeError(f"{self.function.__name__} returns something")
        module = llvm.parse_assembly(known.inspect_llvm(known.signatures[-1]))
        for function in module.functions:
            if function.linkage == llvm.Linkage.external and not function.is_declaration:
                function.name = "kernel"
            elif not function.is_declaration:
                function.linkage = llvm.Linkage.internal
        return _machine().emit_object(module)


class Intrinsic:
    """A function of numba's `intrinsic`, made where compiled code asks for it."""

    def __init__(self, module: str, maker: str, *given: Any) -> None:
        self.words = (module, maker, given)

    @property
    def _numba_type_(self) -> Any:
        from numba.core.registry import cpu_target

        if not hasattr(self, "_known"):
            module, maker, given = self.words
            made = getattr(import_module(f".{module}", __package__), maker)(*given)
            cpu_target.typing_context.refresh()
            self._known = cpu_target.typing_context.resolve_value_type(made)
        return self._known


def _machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(*_HOST, opt=3, codemodel="jitdefault", jit=True)


def _folder() -> Path:
    """Where compiled code is kept: below the user's cache, unless the user names another folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regbench" / "numba"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or home)


def _kind(value: Any) -> tuple[Any, ...]:
    """What the code for an argument depends on."""
    if not isinstance(value, np.ndarray):
        return (type(value).__name__,)
    if not value.flags.c_contiguous:
        raise ValueError("compiled code takes contiguous arrays only")
    return value.dtype.str, value.ndim


def _words(value: Any) -> list[Any]:
    """An argument as numba passes it: an array is eight numbers and more."""
    if not isinstance(value, np.ndarray):
        return [_NUMBERS[type(value)](value)]
    numbers = (value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
    return [None, None, *map(ctypes.c_int64, numbers)]
