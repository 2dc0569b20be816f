/* Calls the plugin as a host does, and lets it hear sounds whose speech is known. */

#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrapper.h"

/* A recording that is put together piece by piece; 16 samples are a millisecond. */
enum { LONGEST_MS = 120000 };
static unsigned char recording[LONGEST_MS * 32];
static size_t bytes;

static void add_sample(double value) {
    int16_t sample = (int16_t)lrint(value);
    assert(bytes + 2 <= sizeof recording);
    recording[bytes++] = (unsigned char)(sample & 0xff);
    recording[bytes++] = (unsigned char)(sample >> 8 & 0xff);
}

/* White noise from a generator of our own, so that each run hears the same. */
static double noise(double loudness) {
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return loudness * ((double)(state >> 8) / (1 << 23) - 1.0);
}

static void add(int ms, double tone, double hiss) {
    for (int i = 0; i < 16 * ms; i++)
        add_sample(tone * sin(6.283185307179586 * 440 * i / 16000.0) + noise(hiss));
}

static ParamList nothing; /* how hosts say "no pairs" */

static struct {
    int64_t begin, end;
} found[64];
static int segments;

/* Read what the plugin said; a begin and its end may come in different results. */
static void read_events(const DataList *result) {
    assert(strcmp(result->key, "events") == 0 && result->type == DataText && result->next == NULL);
    char text[4096];
    assert(result->len < sizeof text);
    memcpy(text, result->data, result->len);
    text[result->len] = '\0';
    assert(strncmp(text, "{\"events\": [", 12) == 0 && (text[12] == '{' || text[12] == ']'));
    assert(strcmp(text + strlen(text) - 2, "]}") == 0);
    for (char *at = text; (at = strstr(at, "{\"event\": ")) != NULL; at++) {
        char word[8];
        long long ms;
        assert(sscanf(at, "{\"event\": \"%7[a-z]\", \"ms\": %lld}", word, &ms) == 2);
        if (strcmp(word, "begin") == 0) {
            assert(segments == 0 || found[segments - 1].end >= 0);
            found[segments].begin = ms;
            found[segments++].end = -1;
        } else {
            assert(strcmp(word, "end") == 0 && segments > 0 && found[segments - 1].end == -1);
            found[segments - 1].end = ms;
        }
    }
}

/* Play the recording to a session in pieces of that many bytes. */
static void play(size_t piece_bytes, ParamList *params) {
    int code = 0;
    const void *session = wrapperCreate("tag", params, NULL, NULL, 0, &code);
    assert(session != NULL && code == 0);
    segments = 0;
    DataList *result = NULL;
    for (size_t at = 0; at < bytes; at += piece_bytes) {
        size_t left = bytes - at, count = left < piece_bytes ? left : piece_bytes;
        DataStatus status = count == left ? DataEnd : at == 0 ? DataBegin : DataContinue;
        void *copy = malloc(count); /* of just that size, for tools that watch memory */
        assert(copy != NULL);
        memcpy(copy, recording + at, count);
        DataList piece = {"audio", copy, (unsigned int)count, DataAudio, status, &nothing, NULL};
        assert(wrapperWrite(session, &piece) == 0);
        free(copy);
        result = NULL;
        assert(wrapperRead(session, &result) == 0);
        if (result != NULL)
            read_events(result);
    }
    assert(result != NULL && result->status == DataEnd);
    assert(segments == 0 || found[segments - 1].end >= 0);
    assert(wrapperDestroy(session) == 0);
}

static void expect(int which, int64_t begin_ms, int64_t end_ms) {
    if (segments <= which || llabs(found[which].begin - begin_ms) > 10 ||
        llabs(found[which].end - end_ms) > 10) {
        fprintf(stderr, "segment %d of %d is %lld to %lld, not %lld to %lld\n", which, segments,
                (long long)found[which].begin, (long long)found[which].end, (long long)begin_ms,
                (long long)end_ms);
        exit(1);
    }
}

static void start_over(void) {
    bytes = 0;
}

int main(void) {
    assert(wrapperInit(&nothing) == 0);

    /* A tone in silence: the segment is exact. Pieces of any size say the same. */
    start_over();
    add(500, 0, 0), add(700, 8000, 0), add(800, 0, 0);
    size_t sizes[] = {3200, 320, 7, 1, 64001, sizeof recording};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        play(sizes[i], &nothing);
        assert(segments == 1);
        assert(found[0].begin == 500 && found[0].end == 1200);
    }

    /* The same as a single request. */
    DataList whole = {"audio", recording, (unsigned int)bytes, DataAudio, DataOnce, &nothing, NULL};
    DataList *answer = NULL;
    assert(wrapperExec("tag", &nothing, &whole, &answer, NULL, 0) == 0);
    segments = 0;
    read_events(answer);
    assert(answer->status == DataOnce && segments == 1 && found[0].end == 1200);
    assert(wrapperExecFree("tag", &answer) == 0);

    /* In noise, between frames. */
    start_over();
    add(1003, 0, 100), add(505, 6000, 100), add(1000, 0, 100);
    play(320, &nothing);
    expect(0, 1003, 1508);
    assert(segments == 1);

    /* Noise alone is nothing, soft or loud, nor is noise that becomes a little louder. */
    double hisses[] = {0, 3, 30, 300};
    for (int i = 0; i < 4; i++) {
        start_over();
        add(3000, 0, hisses[i]), add(3000, 0, 1.6 * hisses[i]); /* 4 dB */
        play(320, &nothing);
        assert(segments == 0);
    }

    /* Nor is a faint hiss after silence that is none in nature. */
    start_over();
    add(1000, 0, 0), add(1000, 0, 30);
    play(320, &nothing);
    assert(segments == 0);

    /* A gap shorter than the hangover is none; a longer one is. */
    start_over();
    add(500, 0, 50), add(400, 5000, 50), add(200, 0, 50), add(400, 5000, 50);
    add(400, 0, 50), add(400, 5000, 50), add(500, 0, 50);
    play(320, &nothing);
    assert(segments == 2);
    expect(0, 500, 1500);
    expect(1, 1900, 2300);

    /* The hangover can be chosen. */
    ParamList patient = {"hangover_ms", "1000", 4, NULL};
    play(320, &patient);
    assert(segments == 1);
    expect(0, 500, 2300);

    /* So can the threshold: this tone lies 12 dB above the noise. */
    start_over();
    add(1000, 0, 100), add(500, 325, 100), add(1000, 0, 100);
    play(320, &nothing);
    assert(segments == 1);
    ParamList deaf = {"threshold_db", "15", 2, NULL};
    play(320, &deaf);
    assert(segments == 0);

    /* A click is no speech. */
    start_over();
    add(500, 0, 50), add(15, 20000, 0), add(500, 0, 50);
    play(320, &nothing);
    assert(segments == 0);

    /* Speech from the first sample on, and up to the last. */
    start_over();
    add(605, 8000, 20);
    play(320, &nothing);
    assert(segments == 1 && found[0].begin == 0 && found[0].end == 605);

    /* Noise that becomes 20 dB louder is speech until it is taken for noise; then a tone in it is
     * found all the same. */
    start_over();
    add(2000, 0, 30), add(45000, 0, 300), add(700, 8000, 300), add(1000, 0, 300);
    play(3200, &nothing);
    assert(segments == 2);
    assert(llabs(found[0].begin - 2000) <= 10);
    assert(found[0].end > 25000 && found[0].end < 40000);
    expect(1, 47000, 47700);

    /* Long speech without a pause stays speech. */
    start_over();
    add(1000, 0, 30), add(30000, 8000, 30), add(1000, 0, 30);
    play(3200, &nothing);
    assert(segments == 1);
    expect(0, 1000, 31000);

    /* What cannot be done has a code, and a text for it. */
    ParamList bad[] = {{"threshold_db", "loud", 4, NULL}, {"threshold_db", "", 0, NULL},
                       {"hangover_ms", "5001", 4, NULL}, {"threshold_db", "nan", 3, NULL}};
    for (int i = 0; i < 4; i++) {
        int code = 0;
        assert(wrapperCreate("tag", &bad[i], NULL, NULL, 0, &code) == NULL && code != 0);
        assert(strstr(wrapperError(code), bad[i].key) != NULL);
        answer = NULL;
        assert(wrapperExec("tag", &bad[i], &whole, &answer, NULL, 0) == code && answer == NULL);
    }
    whole.len = 5;
    assert(strstr(wrapperError(wrapperExec("tag", &nothing, &whole, &answer, NULL, 0)), "odd"));
    whole.key = "sound";
    assert(strstr(wrapperError(wrapperExec("tag", &nothing, &whole, &answer, NULL, 0)), "audio"));

    /* Nothing heard, nothing to say, but an end. */
    int code = 0;
    const void *session = wrapperCreate("tag", &nothing, NULL, NULL, 0, &code);
    DataList *result = NULL;
    assert(wrapperRead(session, &result) == 0 && result == NULL);
    DataList empty = {"audio", "", 0, DataAudio, DataEnd, &nothing, NULL};
    assert(wrapperWrite(session, &empty) == 0);
    assert(wrapperRead(session, &result) == 0 && result != NULL && result->status == DataEnd);
    assert(result->len == strlen("{\"events\": []}"));
    assert(wrapperDestroy(session) == 0);

    assert(wrapperFini() == 0);
    puts("passed");
    return 0;
}
