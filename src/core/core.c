/*
 * core/core.c
 *	  Init function of the room.
 */
#include "postgres.h"

#include "core/core.h"
#include "core/internal.h"

void
jo_core_init(void)
{
	jo_cache_init();
	jo_leaf_init();
	jo_clock_init();
	jo_identity_init();
	jo_key_init();
	jo_segment_init();
}
