/*
 * Upper case again, but the answers come by callback, from threads of the plugin's own.
 *
 * A line is a queue and a thread that works through it. Single requests share one line, as they
 * would share a model. Each session has its own: the callback waits for a client that does not
 * read its results, and must not make others wait with it.
 */

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "wrapper.h"

enum { NO_TEXT = 101, NO_MEMORY = 102, NO_THREAD = 103, NOT_SUPPORTED = 104 };

static char INPUT[] = "text";
static char OUTPUT[] = "result";

/* A copy of an input, with whom to tell: what the host passes is gone when its call returns. */
struct job {
    struct job *next;
    wrapperCallback callback;
    char *tag;
    DataStatus status;
    unsigned int len;
    unsigned char text[];
};

struct line {
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct job *first, **end;
    bool is_over;
};

struct session {
    struct line line;
    wrapperCallback callback;
    char *tag;
};

static struct line single_requests;

static void free_job(struct job *job) {
    free(job->tag);
    free(job);
}

static void answer(struct job *job) {
    for (unsigned int i = 0; i < job->len; i++)
        if (job->text[i] < 0x80)
            job->text[i] = (unsigned char)toupper(job->text[i]);
    DataList result = {
        .key = OUTPUT,
        .data = job->text,
        .len = job->len,
        .type = DataText,
        .status = job->status,
    };
    /* -1 says that the client has gone; then wrapperDestroy is on its way. */
    (void)job->callback(job->tag, &result, 0);
}

/* Wait for the next job; NULL when the line is over. */
static struct job *next_job(struct line *line) {
    pthread_mutex_lock(&line->lock);
    while (line->first == NULL && !line->is_over)
        pthread_cond_wait(&line->changed, &line->lock);
    struct job *job = line->is_over ? NULL : line->first;
    if (job != NULL && (line->first = job->next) == NULL)
        line->end = &line->first;
    pthread_mutex_unlock(&line->lock);
    return job;
}

static void *work(void *given) {
    struct line *line = given;
    struct job *job;
    while ((job = next_job(line)) != NULL) {
        answer(job); /* without the lock: the callback may wait */
        free_job(job);
    }
    return NULL;
}

static int begin(struct line *line) {
    line->first = NULL;
    line->end = &line->first;
    line->is_over = false;
    pthread_mutex_init(&line->lock, NULL);
    pthread_cond_init(&line->changed, NULL);
    if (pthread_create(&line->thread, NULL, work, line) == 0)
        return 0;
    pthread_cond_destroy(&line->changed);
    pthread_mutex_destroy(&line->lock);
    return NO_THREAD;
}

/* End a line: no callback comes from it once this returns. */
static void end(struct line *line) {
    pthread_mutex_lock(&line->lock);
    line->is_over = true;
    pthread_cond_signal(&line->changed);
    pthread_mutex_unlock(&line->lock);
    pthread_join(line->thread, NULL);
    for (struct job *job = line->first, *next; job != NULL; job = next) {
        next = job->next;
        free_job(job);
    }
    pthread_cond_destroy(&line->changed);
    pthread_mutex_destroy(&line->lock);
}

/* Copy the text of a request and let the line's thread answer it. */
static int enqueue(struct line *line, const char *tag, wrapperCallback callback,
                   const DataList *list) {
    while (list != NULL && (list->key == NULL || strcmp(list->key, INPUT) != 0))
        list = list->next;
    if (list == NULL)
        return NO_TEXT;
    struct job *job = malloc(sizeof *job + list->len);
    char *copy = strdup(tag);
    if (job == NULL || copy == NULL) {
        free(job);
        free(copy);
        return NO_MEMORY;
    }
    *job = (struct job){
        .callback = callback, .tag = copy, .status = list->status, .len = list->len};
    memcpy(job->text, list->data, list->len);
    pthread_mutex_lock(&line->lock);
    *line->end = job;
    line->end = &job->next;
    pthread_cond_signal(&line->changed);
    pthread_mutex_unlock(&line->lock);
    return 0;
}

int wrapperInit(pConfig cfg) {
    (void)cfg;
    return begin(&single_requests);
}

int wrapperFini(void) {
    end(&single_requests);
    return 0;
}

const char *wrapperError(int errNum) {
    switch (errNum) {
    case NO_TEXT:
        return "the request has no payload called text";
    case NO_MEMORY:
        return "out of memory";
    case NO_THREAD:
        return "cannot start a thread";
    case NOT_SUPPORTED:
        return "this plugin answers by callback: set [aiges] asyncMode = true";
    default:
        return "unknown error";
    }
}

const char *wrapperVersion(void) {
    return "1.0.0";
}

int wrapperExecAsync(const char *usrTag, pParamList params, pDataList reqData,
                     wrapperCallback callback, int timeout, unsigned int psrIds[], int psrCnt) {
    (void)params, (void)timeout, (void)psrIds, (void)psrCnt;
    return enqueue(&single_requests, usrTag, callback, reqData);
}

const void *wrapperCreate(const char *usrTag, pParamList params, wrapperCallback cb,
                          unsigned int psrIds[], int psrCnt, int *errNum) {
    (void)params, (void)psrIds, (void)psrCnt;
    if (cb == NULL) {
        *errNum = NOT_SUPPORTED;
        return NULL;
    }
    struct session *session = malloc(sizeof *session);
    char *tag = strdup(usrTag);
    *errNum = session == NULL || tag == NULL ? NO_MEMORY : begin(&session->line);
    if (*errNum != 0) {
        free(session);
        free(tag);
        return NULL;
    }
    session->callback = cb;
    session->tag = tag;
    return session;
}

int wrapperWrite(const void *handle, pDataList reqData) {
    struct session *session = (struct session *)handle;
    return enqueue(&session->line, session->tag, session->callback, reqData);
}

int wrapperDestroy(const void *handle) {
    struct session *session = (struct session *)handle;
    end(&session->line);
    free(session->tag);
    free(session);
    return 0;
}

/* What this plugin does not do; AIservice wants the functions to be there all the same. */

int wrapperExec(const char *usrTag, pParamList params, pDataList reqData, pDataList *respData,
                unsigned int psrIds[], int psrCnt) {
    (void)usrTag, (void)params, (void)reqData, (void)respData, (void)psrIds, (void)psrCnt;
    return NOT_SUPPORTED;
}

int wrapperExecFree(const char *usrTag, pDataList *respData) {
    (void)usrTag, (void)respData;
    return 0;
}

int wrapperRead(const void *handle, pDataList *respData) {
    (void)handle, (void)respData;
    return NOT_SUPPORTED;
}

const char *wrapperDebugInfo(const void *handle) {
    return ((const struct session *)handle)->tag;
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
