"""The C ABI of libwrapper.so, for x86-64 and other 64-bit Linux: types, functions, who needs which.

`include/wrapper.h` tells plugin authors the same. No I/O.
"""

from typing import Any, Final, TypeAlias

from cffi import FFI

CData: TypeAlias = Any
"""A C value of cffi; its type is known to C alone."""

ffi: Final[Any] = FFI()
ffi.cdef("""
    typedef struct param {
        const char *key;
        const char *value;
        unsigned int vlen;
        struct param *next;
    } param;

    typedef struct data {
        const char *key;
        void *data;
        unsigned int len;
        int type;
        int status;
        param *desc;
        struct data *next;
    } data;

    typedef int (*result_callback)(const void *tag, data *results, int code);

    int wrapperInit(param *config);
    int wrapperFini(void);
    const char *wrapperError(int code);
    const char *wrapperVersion(void);
    int wrapperLoadRes(data *resource, unsigned int id);
    int wrapperUnloadRes(unsigned int id);
    const void *wrapperCreate(const char *tag, param *params, result_callback callback,
                              unsigned int *personal_ids, int personal_count, int *code);
    int wrapperWrite(const void *handle, data *inputs);
    int wrapperRead(const void *handle, data **results);
    int wrapperDestroy(const void *handle);
    int wrapperExec(const char *tag, param *params, data *inputs, data **results,
                    unsigned int *personal_ids, int personal_count);
    int wrapperExecFree(const char *tag, data **results);
    int wrapperExecAsync(const char *tag, param *params, data *inputs, result_callback callback,
                         int timeout, unsigned int *personal_ids, int personal_count);
    const char *wrapperDebugInfo(const void *handle);
    int wrapperSetCtrl(int type, void *function);

    typedef struct { const char *file; void *base; const char *name; void *address; } symbol_place;
    void *dlopen(const char *name, int flags);
    char *dlerror(void);
    void *dlsym(void *library, const char *name);
    int dladdr(const void *address, symbol_place *place);
""")  # the last of it is the dynamic linker's; one text, as reading each takes a while

ONCE: Final = ("wrapperExec", "wrapperExecFree")
ONCE_BY_CALLBACK: Final = ("wrapperExecAsync",)
SESSIONS: Final = ("wrapperCreate", "wrapperWrite", "wrapperRead", "wrapperDestroy")
SESSIONS_BY_CALLBACK: Final = ("wrapperCreate", "wrapperWrite", "wrapperDestroy")
RESOURCES: Final = ("wrapperLoadRes", "wrapperUnloadRes")
"""Functions that are of use together only."""

FUNCTIONS: Final = (
    *("wrapperInit", "wrapperFini", "wrapperError", "wrapperVersion", "wrapperLoadRes"),
    *("wrapperUnloadRes", "wrapperCreate", "wrapperWrite", "wrapperRead", "wrapperDestroy"),
    *("wrapperExec", "wrapperExecFree", "wrapperExecAsync", "wrapperDebugInfo", "wrapperSetCtrl"),
)
"""All that the ABI has."""

CONTROL_METER: Final = 0
CONTROL_METRIC: Final = 1
CONTROL_TRACE: Final = 2
"""What wrapperSetCtrl is given a function for."""
