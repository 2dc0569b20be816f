/*
 * A plugin that does wrong what it is told to, and writes down every call.
 *
 * Left alone it answers with its input. It writes a JSON object a line to the file FAULTY_LOG, in
 * which bytes stand as the characters of the same number.
 *
 * Parameters of a request or a session:
 *
 *   fault      FUNCTION:WHAT, once that function is called for this request. WHAT is segv, abort,
 *              double_free, exit, throw, spin, stack, sleep=MS, meet=N (wait for that many calls
 *              to be here at once), or code=N, which the function then returns.
 *   answer     what is wrong with it: null, nothing, no_data, endless, bad_key, bad_desc, twice,
 *              audio, size=BYTES, status=N, handle (wrapperCreate returns NULL with code 0)
 *   callback   how it comes in async mode: inside, once (the default: from a thread), twice, never,
 *              null, foreign (a tag that nobody has), five (threads at once), late (when the next
 *              request comes), code=N
 *   tell       meter, metric or trace: what is told about the request
 *
 * A resource may have the attribute `fault`, for wrapperLoadRes.
 *
 * FAULTY_FAULT is a fault of functions that no request belongs to. wrapperError has faults of its
 * own for some codes.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wrapper.h"

enum { CRASHES = 666, NO_TEXT = 667, BAD_TEXT = 668, LATE_TAGS = 16, THREADS = 5 };

void throw_an_exception(void); /* in C++ */

/* --- what happened --- */

struct note {
    char text[16384];
    size_t length;
};

static void add(struct note *note, const char *format, ...) {
    va_list values;
    va_start(values, format);
    size_t room = sizeof note->text - note->length;
    int wanted = vsnprintf(note->text + note->length, room, format, values);
    va_end(values);
    note->length += (size_t)wanted;
    if (note->length >= sizeof note->text)
        abort(); /* a note that is cut off would prove nothing */
}

static void add_bytes(struct note *note, const void *bytes, size_t count) {
    const unsigned char *byte = bytes;
    add(note, "\"");
    for (size_t i = 0; i < count && i < 256; i++) {
        if (byte[i] < 0x20 || byte[i] > 0x7e || byte[i] == '"' || byte[i] == '\\')
            add(note, "\\u%04x", byte[i]);
        else
            add(note, "%c", byte[i]);
    }
    add(note, "\"");
}

static void add_text(struct note *note, const char *text) {
    if (text == NULL)
        add(note, "null");
    else
        add_bytes(note, text, strlen(text));
}

static void add_pairs(struct note *note, const ParamList *list) {
    if (list == NULL) {
        add(note, "null");
        return;
    }
    add(note, "{");
    for (const char *comma = ""; list != NULL && list->key != NULL; list = list->next) {
        add(note, "%s", comma);
        comma = ", ";
        add_text(note, list->key);
        add(note, ": ");
        add_bytes(note, list->value, list->vlen);
        if (list->value[list->vlen] != '\0')
            abort();
    }
    add(note, "}");
}

static void add_data(struct note *note, const DataList *list) {
    add(note, "[");
    for (const char *comma = ""; list != NULL && list->key != NULL; list = list->next) {
        add(note, "%s{\"key\": ", comma);
        comma = ", ";
        add_text(note, list->key);
        add(note, ", \"len\": %u, \"type\": %d", list->len, list->type);
        add(note, ", \"status\": %d", list->status);
        add(note, ", \"is_null\": %s, \"data\": ", list->data == NULL ? "true" : "false");
        add_bytes(note, list->data, list->len);
        add(note, ", \"desc\": ");
        add_pairs(note, list->desc);
        add(note, "}");
    }
    add(note, "]");
}

static void write_down(struct note *note) {
    const char *path = getenv("FAULTY_LOG");
    if (path == NULL || *path == 0)
        return;
    add(note, ", \"thread\": %d}\n", (int)gettid());
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write(file, note->text, note->length) != (ssize_t)note->length)
        abort();
    close(file);
}

static void begin(struct note *note, const char *function, const char *tag) {
    note->length = 0;
    add(note, "{\"call\": \"%s\"", function);
    if (tag != NULL) {
        add(note, ", \"tag\": ");
        add_text(note, tag);
    }
}

static void called(const char *function, const char *tag) {
    struct note note;
    begin(&note, function, tag);
    write_down(&note);
}

static void returned(const char *function, const char *tag, int value) {
    struct note note;
    begin(&note, function, tag);
    add(&note, ", \"returned\": %d", value);
    write_down(&note);
}

/* --- what goes wrong --- */

static void wait_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static volatile int never;
static volatile int *volatile nowhere; /* what the compiler does not know it cannot leave out */

__attribute__((noinline)) static void crash_here(void) {
    *nowhere = 1;
}

__attribute__((noinline)) static int overflow(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return (never ? 0 : overflow(depth + 1)) + frame[0];
}

static void meet(long count) {
    static atomic_int here;
    here++;
    for (int waited_ms = 0; here < count; waited_ms++) {
        if (waited_ms > 20000)
            abort();
        wait_ms(1);
    }
}

static int do_wrong(const char *what) {
    long number = strchr(what, '=') == NULL ? 0 : strtol(strchr(what, '=') + 1, NULL, 10);
    if (strcmp(what, "segv") == 0) {
        crash_here();
    } else if (strcmp(what, "abort") == 0) {
        abort();
    } else if (strcmp(what, "double_free") == 0) {
        void *volatile memory = malloc(2000); /* the compiler must not see what this is */
        free(memory);
        free(memory);
    } else if (strcmp(what, "exit") == 0) {
        exit(3);
    } else if (strcmp(what, "throw") == 0) {
        throw_an_exception();
    } else if (strcmp(what, "spin") == 0) {
        while (!never)
            ;
    } else if (strcmp(what, "stack") == 0) {
        return overflow(0);
    } else if (strncmp(what, "sleep=", 6) == 0) {
        wait_ms(number);
    } else if (strncmp(what, "meet=", 5) == 0) {
        meet(number);
    } else if (strncmp(what, "code=", 5) == 0) {
        return (int)number;
    } else {
        fprintf(stderr, "no such fault: %s\n", what);
        abort();
    }
    return 0;
}

/* Do what `fault` says if it is about this function; return a code. */
static int perhaps(const char *fault, const char *function) {
    size_t length = strlen(function);
    if (fault == NULL || strncmp(fault, function, length) != 0 || fault[length] != ':')
        return 0;
    return do_wrong(fault + length + 1);
}

/* The same for a function that belongs to no request. */
static int perhaps_always(const char *function) {
    return perhaps(getenv("FAULTY_FAULT"), function);
}

/* --- answers --- */

static atomic_int live_answers, live_sessions;

static const char *find(const ParamList *params, const char *key) {
    for (; params != NULL && params->key != NULL; params = params->next)
        if (strcmp(params->key, key) == 0)
            return params->value;
    return "";
}

static char *find_copy(const ParamList *params, const char *key) {
    return strdup(find(params, key));
}

/* A list of up to two nodes, with what it needs. */
struct answer {
    DataList nodes[2];
    ParamList desc[3];
    char *fault; /* of wrapperExecFree */
    struct answer *next;
    unsigned char bytes[];
};

static struct answer *make_answer(const char *how, const char *fault, const DataList *input,
                                  DataStatus status) {
    size_t size = input->len;
    if (strncmp(how, "size=", 5) == 0)
        size = strtoul(how + 5, NULL, 10);
    struct answer *answer = calloc(1, sizeof *answer + size);
    if (answer == NULL)
        abort();
    if (size == input->len)
        memcpy(answer->bytes, input->data, size);
    else
        memset(answer->bytes, 'x', size);
    live_answers++;
    answer->fault = strdup(fault);
    answer->desc[0] = (ParamList){"from", "faulty", 6, NULL};
    answer->nodes[0] = (DataList){"result", answer->bytes, (unsigned int)size, DataText, status,
                                  answer->desc, NULL};
    DataList *node = &answer->nodes[0];
    if (strcmp(how, "no_data") == 0) {
        node->data = NULL;
        node->len = 5;
    } else if (strcmp(how, "nothing") == 0) {
        *node = (DataList){NULL, NULL, 0, DataText, DataBegin, NULL, NULL};
    } else if (strcmp(how, "endless") == 0) {
        node->next = node;
    } else if (strcmp(how, "bad_key") == 0) {
        node->key = "res\xff\xfeult";
    } else if (strcmp(how, "bad_desc") == 0) {
        answer->desc[0].next = &answer->desc[1];
        answer->desc[1] = (ParamList){"latin\xe9", "caf\xe9", 4, &answer->desc[2]};
        answer->desc[2] = (ParamList){"nul", "a\0b", 3, NULL};
    } else if (strcmp(how, "twice") == 0) {
        answer->nodes[1] = *node;
        node->next = &answer->nodes[1];
    } else if (strcmp(how, "audio") == 0) {
        node->type = DataAudio;
    } else if (strncmp(how, "status=", 7) == 0) {
        node->status = (DataStatus)atoi(how + 7);
    }
    return answer;
}

static void free_answer(struct answer *answer) {
    if (answer == NULL)
        return;
    live_answers--;
    free(answer->fault);
    free(answer);
}

/* --- what the host gives us --- */

static wrapperMeterCustom meter;
static wrapperMetricsLog metric;
static wrapperTraceLog trace;

static void tell(const char *what, const char *tag) {
    if (strcmp(what, "meter") == 0)
        returned("meter", tag, meter(tag, "words", 7));
    else if (strcmp(what, "metric") == 0)
        returned("metric", tag, metric(tag, "ratio", "0.5"));
    else if (strcmp(what, "trace") == 0)
        returned("trace", tag, trace(tag, "step", "encode"));
}

int wrapperSetCtrl(CtrlType type, void *func) {
    struct note note;
    begin(&note, "wrapperSetCtrl", NULL);
    add(&note, ", \"type\": %d, \"is_null\": %s", type, func == NULL ? "true" : "false");
    write_down(&note);
    if (type == CTMeterCustom)
        meter = (wrapperMeterCustom)func;
    else if (type == CTMetricsLog)
        metric = (wrapperMetricsLog)func;
    else if (type == CTTraceLog)
        trace = (wrapperTraceLog)func;
    return perhaps_always("wrapperSetCtrl");
}

/* --- life --- */

int wrapperInit(pConfig cfg) {
    struct note note;
    begin(&note, "wrapperInit", NULL);
    add(&note, ", \"config\": ");
    add_pairs(&note, cfg);
    write_down(&note);
    return perhaps_always("wrapperInit");
}

int wrapperFini(void) {
    struct note note;
    begin(&note, "wrapperFini", NULL);
    add(&note, ", \"answers\": %d, \"sessions\": %d", live_answers, live_sessions);
    write_down(&note);
    return perhaps_always("wrapperFini");
}

const char *wrapperError(int errNum) {
    static _Thread_local char text[64];
    returned("wrapperError", NULL, errNum);
    (void)perhaps_always("wrapperError");
    if (errNum == CRASHES)
        crash_here();
    if (errNum == NO_TEXT)
        return NULL;
    if (errNum == BAD_TEXT)
        return "caf\xe9";
    snprintf(text, sizeof text, "faulty error %d", errNum);
    return text;
}

const char *wrapperVersion(void) {
    called("wrapperVersion", NULL);
    (void)perhaps_always("wrapperVersion");
    return "6.6.6";
}

int wrapperLoadRes(pDataList perData, unsigned int resId) {
    struct note note;
    begin(&note, "wrapperLoadRes", NULL);
    add(&note, ", \"id\": %u, \"data\": ", resId);
    add_data(&note, perData);
    write_down(&note);
    int code = perhaps(find(perData->desc, "fault"), "wrapperLoadRes");
    return code == 0 ? perhaps_always("wrapperLoadRes") : code;
}

int wrapperUnloadRes(unsigned int resId) {
    struct note note;
    begin(&note, "wrapperUnloadRes", NULL);
    add(&note, ", \"id\": %u", resId);
    write_down(&note);
    return perhaps_always("wrapperUnloadRes");
}

/* --- callbacks --- */

struct delivery {
    wrapperCallback callback;
    char *tag;
    struct answer *answer;
    int code;
};

static int deliver(const struct delivery *what) {
    DataList *list = what->answer == NULL ? NULL : what->answer->nodes;
    int taken = what->callback(what->tag, list, what->code);
    returned("callback", what->tag, taken);
    return taken;
}

static void free_delivery(struct delivery *delivery) {
    free_answer(delivery->answer);
    free(delivery->tag);
    free(delivery);
}

static void *deliver_once(void *given) {
    deliver(given);
    return NULL;
}

static void *deliver_and_free(void *given) {
    deliver(given);
    free_delivery(given);
    return NULL;
}

static void from_a_thread(struct delivery *delivery) {
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, deliver_and_free, delivery) != 0)
        abort();
    pthread_attr_destroy(&detached);
}

static struct delivery *late[LATE_TAGS];
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_for_later(struct delivery *delivery) {
    pthread_mutex_lock(&late_lock);
    for (int i = 0; i < LATE_TAGS; i++) {
        if (late[i] == NULL) {
            late[i] = delivery;
            pthread_mutex_unlock(&late_lock);
            return;
        }
    }
    abort();
}

static void deliver_what_is_late(void) {
    pthread_mutex_lock(&late_lock);
    for (int i = 0; i < LATE_TAGS; i++) {
        if (late[i] != NULL) {
            deliver(late[i]);
            free_delivery(late[i]);
            late[i] = NULL;
        }
    }
    pthread_mutex_unlock(&late_lock);
}

static void call_back(const char *how, wrapperCallback callback, const char *tag,
                      struct answer *answer) {
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL)
        abort();
    *delivery = (struct delivery){callback, strdup(tag), answer, 0};
    if (strcmp(how, "") == 0 || strcmp(how, "once") == 0) {
        from_a_thread(delivery);
        return;
    }
    if (strcmp(how, "late") == 0) {
        keep_for_later(delivery);
        return;
    }
    if (strcmp(how, "null") == 0) {
        free_answer(delivery->answer);
        delivery->answer = NULL;
        deliver(delivery);
    } else if (strcmp(how, "foreign") == 0) {
        struct delivery foreign = {callback, "nobody", answer, 0};
        deliver(&foreign);
        deliver(delivery);
    } else if (strncmp(how, "code=", 5) == 0) {
        delivery->code = atoi(how + 5);
        deliver(delivery);
    } else if (strcmp(how, "inside") == 0) {
        deliver(delivery);
    } else if (strcmp(how, "twice") == 0) {
        deliver(delivery);
        deliver(delivery);
    } else if (strcmp(how, "five") == 0) {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&threads[i], NULL, deliver_once, delivery) != 0)
                abort();
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    } else if (strcmp(how, "never") != 0) {
        fprintf(stderr, "no such way to call back: %s\n", how);
        abort();
    }
    free_delivery(delivery);
}

/* --- single requests --- */

/* The resources of a request: without any there is no list. */
static void add_resources(struct note *note, const unsigned int ids[], int count) {
    if ((ids == NULL) != (count == 0) || count < 0)
        abort();
    add(note, ", \"resources\": [");
    for (int i = 0; i < count; i++)
        add(note, "%s%u", i == 0 ? "" : ", ", ids[i]);
    add(note, "]");
}

static void note_request(const char *function, const char *tag, const ParamList *params,
                         const DataList *data, const unsigned int psrIds[], int psrCnt) {
    struct note note;
    begin(&note, function, tag);
    add(&note, ", \"params\": ");
    add_pairs(&note, params);
    add(&note, ", \"data\": ");
    add_data(&note, data);
    add_resources(&note, psrIds, psrCnt);
    write_down(&note);
}

int wrapperExec(const char *usrTag, pParamList params, pDataList reqData, pDataList *respData,
                unsigned int psrIds[], int psrCnt) {
    note_request("wrapperExec", usrTag, params, reqData, psrIds, psrCnt);
    if (*respData != NULL)
        abort();
    const char *fault = find(params, "fault"), *how = find(params, "answer");
    tell(find(params, "tell"), usrTag);
    int code = perhaps(fault, "wrapperExec");
    if (code == 0 && strcmp(how, "null") != 0)
        *respData = make_answer(how, fault, reqData, DataOnce)->nodes;
    return code;
}

int wrapperExecFree(const char *usrTag, pDataList *respData) {
    (void)usrTag;
    struct note note;
    begin(&note, "wrapperExecFree", NULL);
    add(&note, ", \"is_null\": %s", *respData == NULL ? "true" : "false");
    write_down(&note);
    struct answer *answer = (struct answer *)*respData;
    int code = answer == NULL ? 0 : perhaps(answer->fault, "wrapperExecFree");
    free_answer(answer);
    *respData = NULL;
    return code;
}

int wrapperExecAsync(const char *usrTag, pParamList params, pDataList reqData,
                     wrapperCallback callback, int timeout, unsigned int psrIds[], int psrCnt) {
    note_request("wrapperExecAsync", usrTag, params, reqData, psrIds, psrCnt);
    if (callback == NULL || timeout < 0)
        abort();
    deliver_what_is_late();
    const char *fault = find(params, "fault"), *how = find(params, "answer");
    tell(find(params, "tell"), usrTag);
    int code = perhaps(fault, "wrapperExecAsync");
    if (code == 0)
        call_back(find(params, "callback"), callback, usrTag,
                  make_answer(how, fault, reqData, DataOnce));
    return code;
}

/* --- sessions --- */

struct session {
    char *tag, *fault, *how, *calls_back;
    wrapperCallback callback;
    struct answer *first, *read; /* not read yet; what the host has */
};

const void *wrapperCreate(const char *usrTag, pParamList params, wrapperCallback cb,
                          unsigned int psrIds[], int psrCnt, int *errNum) {
    struct note note;
    begin(&note, "wrapperCreate", usrTag);
    add(&note, ", \"params\": ");
    add_pairs(&note, params);
    add(&note, ", \"calls_back\": %s", cb == NULL ? "false" : "true");
    add_resources(&note, psrIds, psrCnt);
    write_down(&note);
    if (*errNum != 0)
        abort();
    if (cb != NULL)
        deliver_what_is_late();
    *errNum = perhaps(find(params, "fault"), "wrapperCreate");
    if (*errNum != 0 || strcmp(find(params, "answer"), "handle") == 0)
        return NULL;
    tell(find(params, "tell"), usrTag);
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        abort();
    *session = (struct session){
        .tag = strdup(usrTag),
        .fault = find_copy(params, "fault"),
        .how = find_copy(params, "answer"),
        .calls_back = find_copy(params, "callback"),
        .callback = cb,
    };
    live_sessions++;
    return session;
}

int wrapperWrite(const void *handle, pDataList reqData) {
    struct session *session = (struct session *)handle;
    note_request("wrapperWrite", session->tag, NULL, reqData, NULL, 0);
    int code = perhaps(session->fault, "wrapperWrite");
    if (code != 0)
        return code;
    DataStatus status = reqData->status == DataOnce ? DataEnd : reqData->status;
    struct answer *answer = make_answer(session->how, session->fault, reqData, status);
    if (session->callback != NULL) {
        /* From a thread of its own each, results could overtake one another. */
        const char *how = strcmp(session->calls_back, "") == 0 ? "inside" : session->calls_back;
        call_back(how, session->callback, session->tag, answer);
        return 0;
    }
    struct answer **last = &session->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = answer;
    return 0;
}

int wrapperRead(const void *handle, pDataList *respData) {
    struct session *session = (struct session *)handle;
    called("wrapperRead", session->tag);
    if (*respData != NULL)
        abort();
    int code = perhaps(session->fault, "wrapperRead");
    free_answer(session->read);
    session->read = session->first;
    if (session->first != NULL)
        session->first = session->first->next;
    if (code == 0 && session->read != NULL && strcmp(session->how, "null") != 0)
        *respData = session->read->nodes;
    return code;
}

int wrapperDestroy(const void *handle) {
    struct session *session = (struct session *)handle;
    called("wrapperDestroy", session->tag);
    int code = perhaps(session->fault, "wrapperDestroy");
    for (struct answer *answer = session->first, *next; answer != NULL; answer = next) {
        next = answer->next;
        free_answer(answer);
    }
    free_answer(session->read);
    free(session->tag);
    free(session->fault);
    free(session->how);
    free(session->calls_back);
    live_sessions--;
    memset(session, 0xee, sizeof *session); /* who uses it after this will not go far */
    free(session);
    return code;
}

const char *wrapperDebugInfo(const void *handle) {
    const struct session *session = handle;
    called("wrapperDebugInfo", session->tag);
    (void)perhaps(session->fault, "wrapperDebugInfo");
    return session->tag;
}
