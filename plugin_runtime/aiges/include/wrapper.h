/*
 * What a C or C++ plugin is: the functions that libwrapper.so exports, and what they are given.
 *
 * Host means the program that calls them. Under aiges-loader that is a worker process of its own:
 * a plugin that crashes costs the calls that are in it, not the service. Under AIservice it is the
 * serving process itself; plugins built with this header run there as well.
 *
 * The order of calls:
 *
 *   start            wrapperInit, and, if it returned 0, wrapperSetCtrl
 *   a single request wrapperExec, and, if it returned 0, wrapperExecFree; in async mode
 *                    wrapperExecAsync, and later the callback
 *   a session        wrapperCreate, then wrapperWrite for each packet of input, wrapperRead for
 *                    results (in async mode the callback brings them), and wrapperDestroy
 *   a failure        wrapperError, for the text that belongs to a code
 *   stop             wrapperFini
 *
 * [aiges] asyncMode of aiges.toml chooses between the two modes.
 *
 * Threads: any thread of the host may call; do not keep state in thread-local variables. Calls
 * that belong to one session come one at a time. Everything else comes in parallel: wrapperExec,
 * wrapperExecAsync and wrapperCreate have to be re-entrant.
 *
 * Memory: whoever allocates frees. What the host passes belongs to the host and is valid until the
 * function returns: copy what is needed later, the usrTag included. What a plugin hands out stays
 * the plugin's, for as long as the function's comment says. Nothing is ever passed to free() of
 * the other side.
 *
 * Errors: 0 is success. Any other number is the plugin's own; the client gets it with the text of
 * wrapperError.
 *
 * C++: an exception must not leave one of these functions; it would end the process.
 */
#ifndef AIGES_WRAPPER_H
#define AIGES_WRAPPER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what the library exports, so that it can be built with -fvisibility=hidden. */
#ifndef WrapperAPI
#define WrapperAPI __attribute__((visibility("default")))
#endif

/* What data is. */
typedef enum DataType {
    DataText = 0,
    DataAudio = 1,
    DataImage = 2,
    DataVideo = 3,
    DataPer = 4 /* a resource, for wrapperLoadRes */
} DataType;

/* Where in a stream data stands. */
typedef enum DataStatus {
    DataBegin = 0,
    DataContinue = 1,
    DataEnd = 2,
    DataOnce = 3 /* the only piece */
} DataStatus;

/* Which function wrapperSetCtrl is given. */
typedef enum CtrlType {
    CTMeterCustom = 0, /* a wrapperMeterCustom */
    CTMetricsLog = 1,  /* a wrapperMetricsLog */
    CTTraceLog = 2     /* a wrapperTraceLog */
} CtrlType;

/*
 * A list of pairs: configuration, parameters, the description of data.
 *
 * A list that the host makes is never NULL: without pairs it is one node whose key is NULL. So a
 * loop ends at the first node that is NULL or has no key. The order of pairs means nothing.
 */
typedef struct ParamList {
    char *key;         /* UTF-8 with a NUL behind it */
    char *value;       /* bytes with a NUL behind them; they may hold further NULs */
    unsigned int vlen; /* bytes of value, the NUL not counted */
    struct ParamList *next;
} ParamList, *pParamList, *pConfig, *pDescList;

/* A list of inputs, or of outputs: a node for each. An output need have no desc. */
typedef struct DataList {
    char *key;         /* name of the input or output, UTF-8 with a NUL behind it */
    void *data;        /* NO NUL behind it; not NULL in what the host makes, even if len is 0 */
    unsigned int len;  /* bytes of data */
    DataType type;
    DataStatus status;
    pDescList desc;    /* what is known of the data, its encoding for instance */
    struct DataList *next;
} DataList, *pDataList;

/*
 * Gives the host a result in async mode. The host passes it to wrapperExecAsync and wrapperCreate.
 *
 *   usrTag    the request's: the pointer that the plugin was given, or equal text.
 *   respData  the outputs; the host has copied them when the callback returns. NULL if there are
 *             none. Values of a desc are read up to their first NUL.
 *   ret       0, or the plugin's code: respData is then ignored and the request fails.
 *
 * Returns 0, or -1 if the tag is unknown or over: it has had its last result, or its session has
 * failed or is being destroyed. An output whose status is DataEnd or DataOnce is the last; so is a
 * ret other than 0. Of a single request the first callback is the answer.
 *
 * May be called from any thread, also while wrapperExecAsync or wrapperWrite still runs. It waits
 * while too many results of the same tag have not been taken yet: hold no lock that
 * wrapperDestroy or wrapperWrite needs.
 */
typedef int (*wrapperCallback)(const void *usrTag, pDataList respData, int ret);

/*
 * What the plugin may tell about a request, from its first call to its last (to wrapperDestroy,
 * or within wrapperExec): that it used something, so and so many times; that something measures
 * this, a number as text; anything worth a line in the log. Each returns 0 if it was taken.
 */
typedef int (*wrapperMeterCustom)(const void *usrTag, const char *meterKey, int count);
typedef int (*wrapperMetricsLog)(const void *usrTag, const char *key, const char *value);
typedef int (*wrapperTraceLog)(const void *usrTag, const char *key, const char *value);

/*
 * Takes a function of the host; type says which, and so what to cast it to. Called for each type
 * after wrapperInit, and by AIservice never: use a function only once it has come. It stays valid
 * until wrapperFini has returned. Returns 0 if the plugin will use it.
 */
WrapperAPI int wrapperSetCtrl(CtrlType type, void *func);

/*
 * Prepares the plugin: reads the model, starts threads. Called once, before everything else but
 * wrapperVersion.
 *
 *   cfg  the keys of [wrapper] in aiges.toml, as text.
 *
 * Returns 0 if requests may come; else the service does not start.
 */
WrapperAPI int wrapperInit(pConfig cfg);

/*
 * Releases what wrapperInit took, once, after the last request; the process then ends. No
 * callback may be called any more when it returns. The returned value is ignored.
 */
WrapperAPI int wrapperFini(void);

/*
 * Returns the text that belongs to a code, for the client; never NULL, in UTF-8. It must stay
 * valid until the host has copied it, so a string constant is best. Asked after every code that is
 * not 0, and with 0 after a wrapperCreate that returned neither a handle nor a code. Any thread.
 */
WrapperAPI const char *wrapperError(int errNum);

/* Returns the plugin's version as text, valid for ever. */
WrapperAPI const char *wrapperVersion(void);

/*
 * Loads a resource, such as a personal dictionary, for requests that will name it.
 *
 *   perData  one node of type DataPer; its desc describes the resource.
 *   resId    the client's number for it, from 1, found again in psrIds.
 *
 * Returns 0 if the resource can be used; any other code makes the client's request fail, and no
 * process of the service keeps the resource. A process that starts later is given every resource
 * after wrapperInit, and does not start if it refuses one.
 */
WrapperAPI int wrapperLoadRes(pDataList perData, unsigned int resId);

/*
 * Forgets a resource. Requests that were given it may still run; later ones are not. One that is
 * to be replaced is forgotten first. Returns 0; any other code says that it is still there.
 */
WrapperAPI int wrapperUnloadRes(unsigned int resId);

/*
 * Answers a single request; returns when the answer is there. Not used in async mode.
 *
 *   usrTag    names the request; valid until the function returns.
 *   params    its parameters.
 *   reqData   its inputs, in the order of the request.
 *   respData  points to NULL; set it to the answer, which must stay valid until wrapperExecFree.
 *   psrIds    numbers of the resources to use, psrCnt of them; NULL and 0 if there are none.
 *
 * Returns 0; any other code makes the request fail with it, and wrapperExecFree is not called.
 */
WrapperAPI int wrapperExec(const char *usrTag, pParamList params, pDataList reqData,
                           pDataList *respData, unsigned int psrIds[], int psrCnt);

/*
 * Frees an answer; called exactly once after each wrapperExec that returned 0, even if *respData
 * is NULL. usrTag may point to memory that is gone: do not read it. The returned value is ignored.
 */
WrapperAPI int wrapperExecFree(const char *usrTag, pDataList *respData);

/*
 * Accepts a single request in async mode and returns soon; the callback brings the answer.
 *
 *   callback  gives the answer; it stays valid until wrapperFini.
 *   timeout   milliseconds after which the answer is no longer wanted; 0 if that is not known.
 *
 * The other arguments are those of wrapperExec; the lists are gone when this function returns. A
 * code other than 0 makes the request fail with it; the callback must not be called then.
 */
WrapperAPI int wrapperExecAsync(const char *usrTag, pParamList params, pDataList reqData,
                                wrapperCallback callback, int timeout, unsigned int psrIds[],
                                int psrCnt);

/*
 * Opens a session.
 *
 *   cb      in async mode brings the session's results, until wrapperDestroy; NULL otherwise.
 *   errNum  points to 0; set it to a code if the session cannot be opened.
 *
 * Returns a handle of the plugin's, which the other functions get. NULL or a code other than 0
 * means failure; wrapperDestroy is not called then.
 */
WrapperAPI const void *wrapperCreate(const char *usrTag, pParamList params, wrapperCallback cb,
                                     unsigned int psrIds[], int psrCnt, int *errNum);

/*
 * Takes the next packet of a session's input. The input is complete when every name of an input
 * that was seen has come with DataEnd or DataOnce. Returns 0, or a code that ends the session.
 */
WrapperAPI int wrapperWrite(const void *handle, pDataList reqData);

/*
 * Asks for the next results of a session; not used in async mode.
 *
 *   respData  points to NULL; leave it if there is nothing yet. Results must stay valid until the
 *             next call with this handle.
 *
 * An output whose status is DataEnd or DataOnce ends the session. Returns 0, or a code that ends
 * the session. While the input is not complete this is called once after each wrapperWrite, then
 * again and again until the last result: after some 5 s without any, hosts may give up.
 */
WrapperAPI int wrapperRead(const void *handle, pDataList *respData);

/*
 * Closes a session: exactly once for each handle, after the last result, a failure, or when the
 * client has gone. The callback must not be called for this session any more once this returns.
 * The returned value is ignored.
 */
WrapperAPI int wrapperDestroy(const void *handle);

/*
 * Returns text about a session for whoever looks for a fault, valid until the next call with that
 * handle. Asked when wrapperWrite or wrapperRead has failed; it goes to the log.
 */
WrapperAPI const char *wrapperDebugInfo(const void *handle);

/* How 64-bit Linux hosts see the structures. */
#if defined(__LP64__)
#if defined(__cplusplus) && __cplusplus >= 201103L
#define AIGES_LAYOUT(name, holds) static_assert(holds, #name)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define AIGES_LAYOUT(name, holds) _Static_assert(holds, #name)
#else
#define AIGES_LAYOUT(name, holds) typedef char aiges_layout_##name[(holds) ? 1 : -1]
#endif
AIGES_LAYOUT(enum_size, sizeof(DataType) == 4 && sizeof(DataStatus) == 4 && sizeof(CtrlType) == 4);
AIGES_LAYOUT(param_key, offsetof(ParamList, key) == 0);
AIGES_LAYOUT(param_value, offsetof(ParamList, value) == 8);
AIGES_LAYOUT(param_vlen, offsetof(ParamList, vlen) == 16);
AIGES_LAYOUT(param_next, offsetof(ParamList, next) == 24);
AIGES_LAYOUT(param_size, sizeof(ParamList) == 32);
AIGES_LAYOUT(data_key, offsetof(DataList, key) == 0);
AIGES_LAYOUT(data_data, offsetof(DataList, data) == 8);
AIGES_LAYOUT(data_len, offsetof(DataList, len) == 16);
AIGES_LAYOUT(data_type, offsetof(DataList, type) == 20);
AIGES_LAYOUT(data_status, offsetof(DataList, status) == 24);
AIGES_LAYOUT(data_desc, offsetof(DataList, desc) == 32);
AIGES_LAYOUT(data_next, offsetof(DataList, next) == 40);
AIGES_LAYOUT(data_size, sizeof(DataList) == 48);
#undef AIGES_LAYOUT
#endif

#ifdef __cplusplus
}
#endif

#endif /* AIGES_WRAPPER_H */
