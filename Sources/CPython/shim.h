#ifndef EVG_CPYTHON_SHIM_H
#define EVG_CPYTHON_SHIM_H
/* Only carries the include path of Python.h to CPythonBridge; Swift never imports it. */
#endif
