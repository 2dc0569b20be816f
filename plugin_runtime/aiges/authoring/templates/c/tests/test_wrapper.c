/* Calls the plugin as a host does. 像宿主那样调用插件。 */

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "wrapper.h"

int main(void) {
    ParamList nothing = {NULL, NULL, 0, NULL}; /* how hosts say "no pairs" 宿主这样表示“没有” */
    assert(wrapperInit(&nothing) == 0);

    char bytes[] = "hello there"; /* five are given, without a NUL 只给五个字节，后面没有 NUL */
    DataList text = {"text", bytes, 5, DataText, DataOnce, &nothing, NULL};
    DataList *answer = NULL;
    assert(wrapperExec("tag", &nothing, &text, &answer, NULL, 0) == 0);
    assert(answer != NULL && strcmp(answer->key, "result") == 0);
    assert(answer->type == DataText && answer->status == DataOnce);
    assert(answer->len == 5 && memcmp(answer->data, "HELLO", 5) == 0);
    assert(wrapperExecFree("tag", &answer) == 0);

    text.key = "other";
    answer = NULL;
    int code = wrapperExec("tag", &nothing, &text, &answer, NULL, 0);
    assert(code != 0 && answer == NULL);
    assert(strstr(wrapperError(code), "text") != NULL);

    assert(wrapperFini() == 0);
    puts("passed");
    return 0;
}
