/*
 * Where in a recording somebody speaks, judged by loudness alone. Pure: no I/O, no allocation.
 *
 * The sound is taken apart into frames of 10 ms. A frame is loud if its level lies threshold_db
 * above the noise floor. Three loud frames in a row begin a segment, which so begins with the first
 * of them: a click does not. The segment ends when there has been nothing loud for hangover_ms, and
 * it ends where the last loud frame did. Once it has begun half the threshold is enough to be loud,
 * so that a level around the threshold does not cut it to pieces.
 *
 * The noise floor is the lowest level heard lately: it follows a falling level at once and rises
 * 3 dB a second, but 0.5 dB a second within a segment, so that long speech does not become noise
 * while noise that has become louder is taken for what it is after some time.
 *
 * Levels are decibels of the mean square of the samples, 1 being 0 dB: a tone of full scale has
 * 87 dB. The floor is never taken to be below 20 dB, and 55 dB at most at the start.
 */
#ifndef VAD_H
#define VAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VAD_SAMPLE_RATE = 16000, VAD_FRAME = VAD_SAMPLE_RATE / 100 }; /* samples */

struct vad {
    double threshold_db;
    int hangover_ms;

    double floor_db;
    bool in_segment;
    int loud_frames; /* in a row, before a segment */
    int64_t samples; /* judged so far */
    int64_t loud_end; /* sample behind the last loud frame */
    int16_t frame[VAD_FRAME];
    size_t filled;
};

enum vad_change { VAD_NONE, VAD_BEGIN, VAD_END };

struct vad_event {
    enum vad_change change;
    int64_t at_ms; /* from the start of the recording */
};

void vad_init(struct vad *vad, double threshold_db, int hangover_ms);

/* Hears one sample more; each completes a frame or does not. */
struct vad_event vad_hear(struct vad *vad, int16_t sample);

/* The recording is over: judges the frame that is not full, and ends a segment. */
size_t vad_finish(struct vad *vad, struct vad_event events[2]);

#endif
