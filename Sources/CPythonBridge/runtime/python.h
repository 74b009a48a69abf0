/* CPython's stable ABI of 3.9. The headers of any version since then will do: those that the compiler is told of (CPATH
 * names a folder), else the newest ones where systems keep them.
 *
 * Law: they are found here and not by pkg-config. A target that asks it makes the package manager look for Python in
 * every package that depends on this one, and advise people who write a Swift app to install it. */
#ifndef EVG_BRIDGE_PYTHON_H
#define EVG_BRIDGE_PYTHON_H

#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN

#if __has_include(<Python.h>)
#include <Python.h>
#elif __has_include(<python3.15/Python.h>)
#include <python3.15/Python.h>
#elif __has_include(<python3.14/Python.h>)
#include <python3.14/Python.h>
#elif __has_include(<python3.13/Python.h>)
#include <python3.13/Python.h>
#elif __has_include(<python3.12/Python.h>)
#include <python3.12/Python.h>
#elif __has_include(<python3.11/Python.h>)
#include <python3.11/Python.h>
#elif __has_include(<python3.10/Python.h>)
#include <python3.10/Python.h>
#elif __has_include(<python3.9/Python.h>)
#include <python3.9/Python.h>
#else
#error "no Python.h: install python3-dev, or name its folder in CPATH"
#endif

#endif
