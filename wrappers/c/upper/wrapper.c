/* Answers with the request's text in upper case: a whole plugin, as small as they come. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "wrapper.h"

enum { NO_TEXT = 101, NO_MEMORY = 102, NOT_SUPPORTED = 103 };

static char INPUT[] = "text";
static char OUTPUT[] = "result";

int wrapperInit(pConfig cfg) {
    (void)cfg; /* a plugin with a model would look here for its path, and load it */
    return 0;
}

int wrapperFini(void) {
    return 0;
}

const char *wrapperError(int errNum) {
    switch (errNum) {
    case NO_TEXT:
        return "the request has no payload called text";
    case NO_MEMORY:
        return "out of memory";
    case NOT_SUPPORTED:
        return "this plugin answers single requests only";
    default:
        return "unknown error";
    }
}

const char *wrapperVersion(void) {
    return "1.0.0";
}

/* The input of that name; NULL if there is none. */
static const DataList *find(const DataList *list, const char *key) {
    while (list != NULL && (list->key == NULL || strcmp(list->key, key) != 0))
        list = list->next;
    return list;
}

/* Called by several threads at once: whatever it writes to is its own. */
int wrapperExec(const char *usrTag, pParamList params, pDataList reqData, pDataList *respData,
                unsigned int psrIds[], int psrCnt) {
    (void)usrTag, (void)params, (void)psrIds, (void)psrCnt;
    const DataList *text = find(reqData, INPUT);
    if (text == NULL)
        return NO_TEXT;

    /* The answer's node, and its bytes behind it, in one piece. */
    DataList *answer = calloc(1, sizeof *answer + text->len);
    if (answer == NULL)
        return NO_MEMORY;
    unsigned char *upper = (unsigned char *)(answer + 1);
    const unsigned char *given = text->data;
    for (unsigned int i = 0; i < text->len; i++)
        upper[i] = given[i] < 0x80 ? (unsigned char)toupper(given[i]) : given[i];
    answer->key = OUTPUT;
    answer->data = upper;
    answer->len = text->len;
    answer->type = DataText;
    answer->status = DataOnce;
    *respData = answer;
    return 0;
}

int wrapperExecFree(const char *usrTag, pDataList *respData) {
    (void)usrTag;
    free(*respData);
    *respData = NULL;
    return 0;
}

/*
 * What this plugin does not do. AIservice wants all fifteen functions to be there; aiges-loader
 * only those that it calls.
 */

int wrapperExecAsync(const char *usrTag, pParamList params, pDataList reqData,
                     wrapperCallback callback, int timeout, unsigned int psrIds[], int psrCnt) {
    (void)usrTag, (void)params, (void)reqData, (void)callback, (void)timeout;
    (void)psrIds, (void)psrCnt;
    return NOT_SUPPORTED;
}

const void *wrapperCreate(const char *usrTag, pParamList params, wrapperCallback cb,
                          unsigned int psrIds[], int psrCnt, int *errNum) {
    (void)usrTag, (void)params, (void)cb, (void)psrIds, (void)psrCnt;
    *errNum = NOT_SUPPORTED;
    return NULL;
}

int wrapperWrite(const void *handle, pDataList reqData) {
    (void)handle, (void)reqData;
    return NOT_SUPPORTED;
}

int wrapperRead(const void *handle, pDataList *respData) {
    (void)handle, (void)respData;
    return NOT_SUPPORTED;
}

int wrapperDestroy(const void *handle) {
    (void)handle;
    return 0;
}

const char *wrapperDebugInfo(const void *handle) {
    (void)handle;
    return "";
}

int wrapperLoadRes(pDataList perData, unsigned int resId) {
    (void)perData, (void)resId;
    return NOT_SUPPORTED;
}

int wrapperUnloadRes(unsigned int resId) {
    (void)resId;
    return NOT_SUPPORTED;
}

int wrapperSetCtrl(CtrlType type, void *func) {
    (void)type, (void)func;
    return 0; /* nothing to count or to trace */
}
