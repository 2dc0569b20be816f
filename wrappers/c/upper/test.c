/* Loads the plugin as a host does, and calls it. */

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

    ParamList nothing = {NULL, NULL, 0, NULL}; /* how hosts say "no pairs" */
    CHECK(wrapperInit_(&nothing) == 0);

    char bytes[] = "Abc \xe4\xb8\x96 1zzz"; /* the last three are not given */
    DataList other = {"image", "", 0, DataImage, DataOnce, &nothing, NULL};
    DataList text = {"text", bytes, sizeof bytes - 4, DataText, DataOnce, &nothing, NULL};
    other.next = &text;
    DataList *answer = NULL;
    CHECK(wrapperExec_("tag", &nothing, &other, &answer, NULL, 0) == 0);
    CHECK(answer != NULL && answer->next == NULL);
    CHECK(strcmp(answer->key, "result") == 0);
    CHECK(answer->type == DataText && answer->status == DataOnce);
    CHECK(answer->len == text.len);
    CHECK(memcmp(answer->data, "ABC \xe4\xb8\x96 1", answer->len) == 0);
    CHECK(wrapperExecFree_("tag", &answer) == 0);

    other.next = NULL;
    answer = NULL;
    int code = wrapperExec_("tag", &nothing, &other, &answer, NULL, 0);
    CHECK(code != 0 && answer == NULL);
    CHECK(strstr(wrapperError_(code), "text") != NULL);

    CHECK(wrapperFini_() == 0);
    CHECK(dlclose(library) == 0);
    puts("passed");
    return 0;
}
