/*
 * capture/capture.c
 *	  Init function of the room.
 */
#include "postgres.h"

#include "capture/internal.h"

void
jo_capture_init(void)
{
	jo_watch_cache_init();
	jo_ring_init();
	jo_idempotency_init();
	jo_cursor_upkeep_init();
}
