/*
 * PROJECT_NAME: text in, text out. Put your own work into answer().
 * PROJECT_NAME：输入文本，输出文本。把自己的实现写进 answer()。
 *
 * wrapper.h says when each function is called and who owns what; wrapper.schema.json describes the
 * inputs, outputs and parameters to clients.
 * 每个函数何时被调用、内存归谁，见 wrapper.h；wrapper.schema.json 向客户端描述输入、输出和参数。
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "wrapper.h"

/* Codes of your own; any number but 0 will do. 自己的错误码，0 以外的任何数。 */
enum { NO_TEXT = 101, NO_MEMORY = 102, NOT_SUPPORTED = 103 };

static char INPUT[] = "text";
static char OUTPUT[] = "result";

/* --- what is yours 自己的部分 --- */

/* Runs once, before the first request: read the model. [wrapper] of aiges.toml is in cfg.
 * 第一个请求之前运行一次：在这里读模型。cfg 是 aiges.toml 的 [wrapper] 一段。 */
int wrapperInit(pConfig cfg) {
    (void)cfg;
    return 0;
}

/* Runs once, after the last request. 最后一个请求之后运行一次。 */
int wrapperFini(void) {
    return 0;
}

/* Makes an answer of `count` bytes; `answered` has room for as many. Several threads come at once.
 * 由 count 个字节得到回答，answered 有同样大的空间。多个线程会同时进入。 */
static void answer(const unsigned char *asked, size_t count, unsigned char *answered) {
    for (size_t i = 0; i < count; i++)
        answered[i] = asked[i] < 0x80 ? (unsigned char)toupper(asked[i]) : asked[i];
}

/* What the client reads beside a code. 错误码对应的说明，客户端会看到。 */
const char *wrapperError(int errNum) {
    switch (errNum) {
    case NO_TEXT:
        return "the request has no payload called text";
    case NO_MEMORY:
        return "out of memory";
    case NOT_SUPPORTED:
        return "PROJECT_NAME answers single requests only";
    default:
        return "unknown error";
    }
}

const char *wrapperVersion(void) {
    return "1.0.0";
}

/* --- between the host and answer() 宿主与 answer() 之间 --- */

static const DataList *find(const DataList *list, const char *key) {
    while (list != NULL && (list->key == NULL || strcmp(list->key, key) != 0))
        list = list->next;
    return list;
}

int wrapperExec(const char *usrTag, pParamList params, pDataList reqData, pDataList *respData,
                unsigned int psrIds[], int psrCnt) {
    (void)usrTag, (void)params, (void)psrIds, (void)psrCnt;
    const DataList *text = find(reqData, INPUT);
    if (text == NULL)
        return NO_TEXT;
    /* The answer's node and its bytes in one piece. 节点与数据放在一块内存里。 */
    DataList *result = calloc(1, sizeof *result + text->len);
    if (result == NULL)
        return NO_MEMORY;
    result->key = OUTPUT;
    result->data = result + 1;
    result->len = text->len;
    result->type = DataText;
    result->status = DataOnce;
    answer(text->data, text->len, result->data);
    *respData = result;
    return 0;
}

int wrapperExecFree(const char *usrTag, pDataList *respData) {
    (void)usrTag;
    free(*respData);
    *respData = NULL;
    return 0;
}

/* --- not used 没有用到 ---
 * aiges-loader does without these; AIservice wants all fifteen functions to be there.
 * aiges-loader 不需要它们；AIservice 要求十五个函数都存在。 */

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
    return 0;
}
