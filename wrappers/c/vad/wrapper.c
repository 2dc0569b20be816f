/*
 * Says while somebody speaks where speech begins and ends; vad.h says how it knows.
 *
 * In: the payload audio, PCM of 16 bits, low byte first, one channel, 16 kHz, in pieces of any
 * size. Out: the payload events, text that is JSON, with what is new:
 *
 *     {"events": [{"event": "begin", "ms": 480}, {"event": "end", "ms": 1210}]}
 *
 * A result comes when something has happened, and one at the end in any case. A session hears a
 * stream; a single request a whole recording. The session's parameters are threshold_db and
 * hangover_ms.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vad.h"
#include "wrapper.h"

enum { NO_AUDIO = 101, NO_MEMORY = 102, BAD_PARAMETER = 103, ODD_BYTES = 104, NOT_SUPPORTED = 105 };

static char INPUT[] = "audio";
static char OUTPUT[] = "events";
static const char HEAD[] = "{\"events\": [", TAIL[] = "]}";

struct listener {
    struct vad vad;
    int low_byte; /* of a sample whose other byte comes with the next piece; -1 if there is none */
    bool has_ended;
    bool has_result;
    DataList result;
    char *json; /* grows; belongs to the host until its next call, then is written anew */
    size_t length, size;
    size_t events;
};

static int append(struct listener *listener, const char *text) {
    size_t length = strlen(text);
    if (listener->length + length > listener->size) {
        size_t size = 2 * (listener->length + length);
        char *json = realloc(listener->json, size);
        if (json == NULL)
            return NO_MEMORY;
        listener->json = json;
        listener->size = size;
    }
    memcpy(listener->json + listener->length, text, length);
    listener->length += length;
    return 0;
}

static int tell(struct listener *listener, struct vad_event event) {
    if (event.change == VAD_NONE)
        return 0;
    char text[64];
    snprintf(text, sizeof text, "%s{\"event\": \"%s\", \"ms\": %" PRId64 "}",
             listener->events++ > 0 ? ", " : "", event.change == VAD_BEGIN ? "begin" : "end",
             event.at_ms);
    return append(listener, text);
}

/* The number under that key; `otherwise` if it is not there. Text that is none is a code. */
static int read_number(const ParamList *params, const char *key, double lowest, double highest,
                       double otherwise, double *number) {
    *number = otherwise;
    for (; params != NULL && params->key != NULL; params = params->next) {
        if (strcmp(params->key, key) != 0)
            continue;
        char *end;
        *number = strtod(params->value, &end);
        if (end == params->value || *end != '\0' || !(*number >= lowest && *number <= highest))
            return BAD_PARAMETER;
    }
    return 0;
}

static void stop_listening(struct listener *listener) {
    if (listener != NULL)
        free(listener->json);
    free(listener);
}

static struct listener *start_listening(const ParamList *params, int *code) {
    double threshold_db, hangover_ms;
    *code = read_number(params, "threshold_db", 3, 40, 9, &threshold_db);
    if (*code == 0)
        *code = read_number(params, "hangover_ms", 10, 5000, 300, &hangover_ms);
    if (*code != 0)
        return NULL;
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL || append(listener, HEAD) != 0) {
        stop_listening(listener);
        *code = NO_MEMORY;
        return NULL;
    }
    vad_init(&listener->vad, threshold_db, (int)hangover_ms);
    listener->low_byte = -1;
    return listener;
}

/* Hear one piece: bytes that need not begin or end where a sample does. */
static int hear(struct listener *listener, const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (listener->low_byte < 0) {
            listener->low_byte = bytes[i];
            continue;
        }
        int16_t sample = (int16_t)(uint16_t)(listener->low_byte | bytes[i] << 8);
        listener->low_byte = -1;
        int code = tell(listener, vad_hear(&listener->vad, sample));
        if (code != 0)
            return code;
    }
    return 0;
}

static int hear_the_end(struct listener *listener) {
    if (listener->low_byte >= 0)
        return ODD_BYTES;
    struct vad_event events[2];
    size_t count = vad_finish(&listener->vad, events);
    for (size_t i = 0; i < count; i++) {
        int code = tell(listener, events[i]);
        if (code != 0)
            return code;
    }
    listener->has_ended = true;
    return 0;
}

/* Hear all pieces of a packet that are audio; those after the end are too late. */
static int hear_packet(struct listener *listener, const DataList *piece) {
    bool found = false;
    for (; piece != NULL; piece = piece->next) {
        if (piece->key == NULL || strcmp(piece->key, INPUT) != 0)
            continue;
        found = true;
        if (listener->has_ended)
            continue;
        int code = hear(listener, piece->data, piece->len);
        if (code == 0 && (piece->status == DataEnd || piece->status == DataOnce))
            code = hear_the_end(listener);
        if (code != 0)
            return code;
    }
    return found ? 0 : NO_AUDIO;
}

/* Make the events so far the result; its text stays as it is until `forget_result`. */
static int make_result(struct listener *listener, DataStatus status) {
    int code = append(listener, TAIL);
    listener->result = (DataList){
        .key = OUTPUT,
        .data = listener->json,
        .len = (unsigned int)listener->length,
        .type = DataText,
        .status = status,
    };
    listener->has_result = true;
    return code;
}

static void forget_result(struct listener *listener) {
    if (listener->has_result) {
        listener->length = strlen(HEAD);
        listener->events = 0;
        listener->has_result = false;
    }
}

int wrapperInit(pConfig cfg) {
    (void)cfg;
    return 0;
}

int wrapperFini(void) {
    return 0;
}

const char *wrapperError(int errNum) {
    switch (errNum) {
    case NO_AUDIO:
        return "the request has no payload called audio";
    case NO_MEMORY:
        return "out of memory";
    case BAD_PARAMETER:
        return "threshold_db is a number from 3 to 40, hangover_ms from 10 to 5000";
    case ODD_BYTES:
        return "audio has an odd number of bytes; a sample has two";
    case NOT_SUPPORTED:
        return "this plugin is asked for results: set [aiges] asyncMode = false";
    default:
        return "unknown error";
    }
}

const char *wrapperVersion(void) {
    return "1.0.0";
}

const void *wrapperCreate(const char *usrTag, pParamList params, wrapperCallback cb,
                          unsigned int psrIds[], int psrCnt, int *errNum) {
    (void)usrTag, (void)psrIds, (void)psrCnt;
    if (cb != NULL) {
        *errNum = NOT_SUPPORTED;
        return NULL;
    }
    return start_listening(params, errNum);
}

int wrapperWrite(const void *handle, pDataList reqData) {
    struct listener *listener = (struct listener *)handle;
    forget_result(listener);
    return hear_packet(listener, reqData);
}

int wrapperRead(const void *handle, pDataList *respData) {
    struct listener *listener = (struct listener *)handle;
    forget_result(listener);
    if (listener->events == 0 && !listener->has_ended)
        return 0;
    int code = make_result(listener, listener->has_ended ? DataEnd : DataContinue);
    if (code == 0)
        *respData = &listener->result;
    return code;
}

int wrapperDestroy(const void *handle) {
    stop_listening((struct listener *)handle);
    return 0;
}

int wrapperExec(const char *usrTag, pParamList params, pDataList reqData, pDataList *respData,
                unsigned int psrIds[], int psrCnt) {
    (void)usrTag, (void)psrIds, (void)psrCnt;
    int code;
    struct listener *listener = start_listening(params, &code);
    if (code == 0)
        code = hear_packet(listener, reqData);
    if (code == 0 && !listener->has_ended)
        code = hear_the_end(listener);
    if (code == 0)
        code = make_result(listener, DataOnce);
    if (code != 0) {
        stop_listening(listener);
        return code;
    }
    *respData = &listener->result;
    return 0;
}

int wrapperExecFree(const char *usrTag, pDataList *respData) {
    (void)usrTag;
    char *result = (char *)*respData;
    stop_listening((struct listener *)(result - offsetof(struct listener, result)));
    *respData = NULL;
    return 0;
}

const char *wrapperDebugInfo(const void *handle) {
    return ((const struct listener *)handle)->vad.in_segment ? "somebody speaks" : "nobody speaks";
}

/* What this plugin does not do; AIservice wants the functions to be there all the same. */

int wrapperExecAsync(const char *usrTag, pParamList params, pDataList reqData,
                     wrapperCallback callback, int timeout, unsigned int psrIds[], int psrCnt) {
    (void)usrTag, (void)params, (void)reqData, (void)callback, (void)timeout;
    (void)psrIds, (void)psrCnt;
    return NOT_SUPPORTED;
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
