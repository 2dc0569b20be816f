/* Loads the plugin as a host does, and calls it. 像宿主那样加载插件并调用。 */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrapper.h"

#define CHECK(holds)                                                                 \
    do {                                                                             \
        if (!(holds)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds);      \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

static void *library;

static void *function(const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}
#define FUNCTION(name) __typeof__(&name) name##_ = function(#name)

int main(int count, char **words) {
    CHECK(count == 2);
    library = dlopen(words[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    FUNCTION(wrapperInit);
    FUNCTION(wrapperExec);
    FUNCTION(wrapperExecFree);
    FUNCTION(wrapperError);
    FUNCTION(wrapperFini);

    ParamList nothing = {NULL, NULL, 0, NULL}; /* how hosts say "no pairs" 宿主这样表示“没有” */
    CHECK(wrapperInit_(&nothing) == 0);

    char bytes[] = "hello there"; /* five are given, without a NUL 只给五个字节，后面没有 NUL */
    DataList text = {"text", bytes, 5, DataText, DataOnce, &nothing, NULL};
    DataList *answer = NULL;
    CHECK(wrapperExec_("tag", &nothing, &text, &answer, NULL, 0) == 0);
    CHECK(answer != NULL && strcmp(answer->key, "result") == 0);
    CHECK(answer->type == DataText && answer->status == DataOnce);
    CHECK(answer->len == 5 && memcmp(answer->data, "HELLO", 5) == 0);
    CHECK(wrapperExecFree_("tag", &answer) == 0);

    text.key = "other";
    answer = NULL;
    int code = wrapperExec_("tag", &nothing, &text, &answer, NULL, 0);
    CHECK(code != 0 && answer == NULL);
    CHECK(strstr(wrapperError_(code), "text") != NULL);

    CHECK(wrapperFini_() == 0);
    CHECK(dlclose(library) == 0);
    puts("passed");
    return 0;
}
