#include "vad.h"

#include <math.h>

static const double LOWEST_FLOOR_DB = 20.0, HIGHEST_FIRST_FLOOR_DB = 55.0;
static const double RISE_DB = 0.03, RISE_IN_SEGMENT_DB = 0.005; /* a frame */
static const int ONSET_FRAMES = 3;

void vad_init(struct vad *vad, double threshold_db, int hangover_ms) {
    *vad = (struct vad){
        .threshold_db = threshold_db,
        .hangover_ms = hangover_ms,
        .floor_db = HIGHEST_FIRST_FLOOR_DB,
    };
}

static int64_t milliseconds(int64_t samples) {
    return samples * 1000 / VAD_SAMPLE_RATE;
}

static double level_db(const int16_t *samples, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)samples[i] * samples[i];
    return 10.0 * log10(sum / (double)count + 1.0);
}

static void follow_noise(struct vad *vad, double level) {
    double risen = vad->floor_db + (vad->in_segment ? RISE_IN_SEGMENT_DB : RISE_DB);
    vad->floor_db = fmax(fmin(level, risen), LOWEST_FLOOR_DB);
}

static struct vad_event judge_frame(struct vad *vad) {
    struct vad_event event = {VAD_NONE, 0};
    double level = level_db(vad->frame, vad->filled);
    int64_t begin = vad->samples;
    vad->samples += (int64_t)vad->filled;
    vad->filled = 0;
    follow_noise(vad, level);
    double needed = vad->in_segment ? vad->threshold_db / 2 : vad->threshold_db;
    bool is_loud = level >= vad->floor_db + needed;

    if (vad->in_segment) {
        if (is_loud) {
            vad->loud_end = vad->samples;
        } else if (milliseconds(vad->samples - vad->loud_end) >= vad->hangover_ms) {
            vad->in_segment = false;
            vad->loud_frames = 0;
            event = (struct vad_event){VAD_END, milliseconds(vad->loud_end)};
        }
        return event;
    }
    vad->loud_frames = is_loud ? vad->loud_frames + 1 : 0;
    if (vad->loud_frames == ONSET_FRAMES) {
        vad->in_segment = true;
        vad->loud_end = vad->samples;
        int64_t earlier = (int64_t)(ONSET_FRAMES - 1) * VAD_FRAME;
        event = (struct vad_event){VAD_BEGIN, milliseconds(begin - earlier)};
    }
    return event;
}

struct vad_event vad_hear(struct vad *vad, int16_t sample) {
    vad->frame[vad->filled++] = sample;
    return vad->filled == VAD_FRAME ? judge_frame(vad) : (struct vad_event){VAD_NONE, 0};
}

size_t vad_finish(struct vad *vad, struct vad_event events[2]) {
    size_t count = 0;
    if (vad->filled > 0) {
        events[0] = judge_frame(vad);
        count = events[0].change != VAD_NONE;
    }
    if (vad->in_segment) {
        vad->in_segment = false;
        events[count++] = (struct vad_event){VAD_END, milliseconds(vad->loud_end)};
    }
    return count;
}
