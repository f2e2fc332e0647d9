/*
 * capture/event_row.h
 *	  Forms the rows of the event log (event_row.c).
 */
#ifndef JO_CAPTURE_EVENT_ROW_H
#define JO_CAPTURE_EVENT_ROW_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "capture/capture.h"

/* A row to form: the event, complete with seq, xid and times, and its place. */
typedef struct JoEventRow
{
	const JoEvent *event;
	int			customer_length;	/* of event->customer_id */
	int32		incarnation;
	int16		lane;
	int16		segment;
} JoEventRow;

/* In CurrentMemoryContext, in one piece. */
extern HeapTuple jo_event_row_form(TupleDesc descriptor,
								   const JoEventRow *row);

#endif							/* JO_CAPTURE_EVENT_ROW_H */
