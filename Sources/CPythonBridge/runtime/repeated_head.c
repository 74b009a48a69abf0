/* The head of the response before, for responses that repeat it. */
#include "repeated_head.h"

#include <string.h>

enum { longest_head = 1024 };

static evg_head_objects kept;
static evg_response_head kept_head;
static bool is_held;        /* kept.objects are references; else they were seen once, and may be gone */

bool evg_head_repeat(const evg_head_objects *objects, evg_response_head *head) {
    if (!is_held || objects->count != kept.count || !objects->count) return false;
    if (memcmp(objects->objects, kept.objects, objects->count * sizeof *kept.objects)) return false;
    return evg_response_head_copy(head, &kept_head);
}

static bool is_same(const evg_response_head *one, const evg_response_head *other) {
    return one->status == other->status && one->says == other->says && one->content_length == other->content_length
        && one->reason_count == other->reason_count && one->count == other->count
        && (!one->count || !memcmp(one->bytes, other->bytes, one->count));
}

static void let_go(void) {
    uint32_t count = is_held ? kept.count : 0;
    PyObject *objects[evg_head_most_objects];
    memcpy(objects, kept.objects, count * sizeof *objects);
    is_held = false;
    kept.count = 0;
    for (uint32_t i = 0; i < count; i++) Py_DECREF(objects[i]);
}

void evg_head_remember(const evg_head_objects *objects, const evg_response_head *head) {
    /* Objects that are gone may have left their addresses to others: then the heads differ. */
    bool again = !is_held && objects->count && objects->count == kept.count && is_same(head, &kept_head)
        && !memcmp(objects->objects, kept.objects, objects->count * sizeof *kept.objects);
    if (again) {
        for (uint32_t i = 0; i < kept.count; i++) Py_INCREF(kept.objects[i]);
        is_held = true;
        return;
    }
    let_go();
    if (!objects->count || head->count > longest_head || !evg_response_head_copy(&kept_head, head)) return;
    kept.count = objects->count;
    memcpy(kept.objects, objects->objects, objects->count * sizeof *kept.objects);
}
