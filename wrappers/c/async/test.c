/* Calls the plugin as a host does, and lets it call back. */

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "wrapper.h"

/* What the callbacks of one tag have brought. */
static struct {
    char tag[16];
    char text[256];
    int statuses[16];
    int count;
} told[2] = {{.tag = "first"}, {.tag = "second"}};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static int callback(const void *usrTag, pDataList respData, int ret) {
    assert(ret == 0 && respData != NULL && respData->next == NULL);
    assert(strcmp(respData->key, "result") == 0 && respData->type == DataText);
    pthread_mutex_lock(&lock);
    int which = strcmp(usrTag, told[1].tag) == 0;
    assert(strcmp(usrTag, told[which].tag) == 0);
    strncat(told[which].text, respData->data, respData->len);
    told[which].statuses[told[which].count++] = respData->status;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

static void wait_for(int which, int count) {
    pthread_mutex_lock(&lock);
    while (told[which].count < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

int main(void) {
    ParamList nothing = {NULL, NULL, 0, NULL}; /* how hosts say "no pairs" */
    assert(wrapperInit(&nothing) == 0);

    /* A single request; what the host passed is gone when its call has returned. */
    char tag[] = "first", bytes[] = "hello";
    DataList text = {"text", bytes, 5, DataText, DataOnce, &nothing, NULL};
    assert(wrapperExecAsync(tag, &nothing, &text, callback, 0, NULL, 0) == 0);
    memset(tag, 'x', sizeof tag);
    memset(bytes, 'x', sizeof bytes);
    wait_for(0, 1);
    assert(strcmp(told[0].text, "HELLO") == 0 && told[0].statuses[0] == DataOnce);

    DataList other = {"image", "", 0, DataImage, DataOnce, &nothing, NULL};
    assert(wrapperExecAsync("first", &nothing, &other, callback, 0, NULL, 0) != 0);

    /* A session: as many results as inputs, in their order. */
    int code = 0;
    const void *session = wrapperCreate("second", &nothing, callback, NULL, 0, &code);
    assert(session != NULL && code == 0);
    const char *pieces[] = {"one ", "two ", "three"};
    for (int i = 0; i < 3; i++) {
        DataList piece = {"text", (void *)pieces[i], (unsigned int)strlen(pieces[i]), DataText,
                          (DataStatus)i, &nothing, NULL};
        assert(wrapperWrite(session, &piece) == 0);
    }
    wait_for(1, 3);
    assert(strcmp(told[1].text, "ONE TWO THREE") == 0);
    assert(told[1].statuses[0] == DataBegin && told[1].statuses[2] == DataEnd);
    assert(wrapperDestroy(session) == 0);

    /* A session that ends while it has work to do: no callback comes after that. */
    session = wrapperCreate("second", &nothing, callback, NULL, 0, &code);
    DataList piece = {"text", "x", 1, DataText, DataContinue, &nothing, NULL};
    for (int i = 0; i < 8; i++)
        assert(wrapperWrite(session, &piece) == 0);
    assert(wrapperDestroy(session) == 0);
    int said = told[1].count; /* no lock: nobody calls back any more */
    assert(said <= 11);

    session = wrapperCreate("second", &nothing, NULL, NULL, 0, &code);
    assert(session == NULL && code != 0); /* not in async mode */

    assert(wrapperFini() == 0);
    assert(told[1].count == said);
    puts("passed");
    return 0;
}
