/* Calls the plugin as a host does. */

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "wrapper.h"

int main(void) {
    ParamList nothing = {NULL, NULL, 0, NULL}; /* how hosts say "no pairs" */
    assert(wrapperInit(&nothing) == 0);

    char bytes[] = "Abc \xe4\xb8\x96 1zzz"; /* the last three are not given */
    DataList other = {"image", "", 0, DataImage, DataOnce, &nothing, NULL};
    DataList text = {"text", bytes, sizeof bytes - 4, DataText, DataOnce, &nothing, NULL};
    other.next = &text;
    DataList *answer = NULL;
    assert(wrapperExec("tag", &nothing, &other, &answer, NULL, 0) == 0);
    assert(answer != NULL && answer->next == NULL);
    assert(strcmp(answer->key, "result") == 0);
    assert(answer->type == DataText && answer->status == DataOnce);
    assert(answer->len == text.len);
    assert(memcmp(answer->data, "ABC \xe4\xb8\x96 1", answer->len) == 0);
    assert(wrapperExecFree("tag", &answer) == 0);

    other.next = NULL;
    answer = NULL;
    int code = wrapperExec("tag", &nothing, &other, &answer, NULL, 0);
    assert(code != 0 && answer == NULL);
    assert(strstr(wrapperError(code), "text") != NULL);

    assert(wrapperFini() == 0);
    puts("passed");
    return 0;
}
