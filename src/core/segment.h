/*
 * core/segment.h
 *	  The segments of a log whose rows are dead as soon as they are passed.
 *
 * Two steps, never in one transaction: a segment is drained (what lives in it
 * is copied into the current one) and later reclaimed (truncated).  See
 * segment.c for why, and upkeep.h for who calls.
 */
#ifndef JO_SEGMENT_H
#define JO_SEGMENT_H

#include "storage/block.h"

#include "core/leaf.h"

/* Setting journey_orch.segment_size, in kB. */
extern int	jo_segment_size;

/* The segments of one lane of a log, as they are now. */
typedef struct JoSegments
{
	JoFamily	family;
	int			lane;
	int			count;
	int			current;
	int			drained;		/* -1: none */
	TimestampTz dropped_to;
	TransactionId written_by;	/* the last to change the above */
	BlockNumber blocks[JO_SEGMENTS_MAX];
} JoSegments;

/* What became of the drained segment. */
typedef enum JoReclaim
{
	JO_RECLAIM_NONE,			/* there is none, or it became so only now */
	JO_RECLAIM_DONE,
	JO_RECLAIM_WAITING,			/* a snapshot may still need its rows */
	JO_RECLAIM_BUSY				/* somebody is using the table */
} JoReclaim;

/* Look at the log of a lane; what this transaction changed counts. */
extern void jo_segment_read(JoFamily family, int lane, JoSegments *segments);

/* Has the segment outgrown journey_orch.segment_size? */
extern bool jo_segment_is_large(const JoSegments *segments, int segment);

/* An empty segment that writers may go on in, or -1. */
extern int	jo_segment_find_empty(const JoSegments *segments);

/*
 * Changes of table "segment", for a caller that holds the lane and runs as the
 * extension: writers go on in "segment"; everything that lives in "segment"
 * has been copied by this transaction, and rows due up to "dropped_to"
 * (DT_NOBEGIN: no such thing) were not.
 */
extern void jo_segment_switch(JoSegments *segments, int segment);
extern void jo_segment_drain(JoSegments *segments, int segment,
							 TimestampTz dropped_to);

/*
 * Truncate the drained segment if that hurts nobody.  Never waits.  The caller
 * holds the lane and runs as the extension; the truncated table is locked
 * against readers until the end of the transaction, so this comes last.
 */
extern JoReclaim jo_segment_reclaim(JoSegments *segments);

#endif							/* JO_SEGMENT_H */
