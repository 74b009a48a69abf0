/* CPython maps 16 KiB for the Python frames of each greenlet and unmaps them at its end. With the page faults that was
 * half of a hello: 24 us of CPU time became 11. Some of those pieces are kept here for the next greenlets.
 *
 * They come from the allocator of arenas, which CPython lets an embedder replace and greenlet asks for as well. It is
 * not in the stable ABI: where it is missing all stays as it was. */
#include "gevent.h"

#include <stdatomic.h>

/* PyObjectArenaAllocator, the same since CPython 3.4. */
typedef struct arena_allocator {
    void *context;
    void *(*alloc)(void *context, size_t size);
    void (*free)(void *context, void *address, size_t size);
} arena_allocator;

/* DATA_STACK_CHUNK_SIZE of CPython 3.11 and later; of other sizes nothing is kept. */
enum { STACK = 16 * 1024, MOST = 64 };

static arena_allocator before;
static void *kept[MOST];
static int count;
/* Interpreters with a lock of their own share the allocator: whoever finds it in use goes on without. */
static atomic_flag in_use = ATOMIC_FLAG_INIT;

static void *take(void *context, size_t size) {
    (void)context;
    void *stack = NULL;
    if (size == STACK && !atomic_flag_test_and_set_explicit(&in_use, memory_order_acquire)) {
        if (count > 0) stack = kept[--count];
        atomic_flag_clear_explicit(&in_use, memory_order_release);
    }
    return stack ? stack : before.alloc(before.context, size);
}

static void give(void *context, void *address, size_t size) {
    (void)context;
    if (size == STACK && !atomic_flag_test_and_set_explicit(&in_use, memory_order_acquire)) {
        if (count < MOST) {
            kept[count++] = address;
            address = NULL;
        }
        atomic_flag_clear_explicit(&in_use, memory_order_release);
    }
    if (address) before.free(before.context, address, size);
}

void evg_gevent_keep_stacks(void) {
    if (!PyObject_GetArenaAllocator || !PyObject_SetArenaAllocator || before.alloc) return;
    PyObject_GetArenaAllocator(&before);
    if (!before.alloc || !before.free) return;
    arena_allocator ours = {NULL, take, give};
    PyObject_SetArenaAllocator(&ours);
}
