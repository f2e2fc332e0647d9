/*
 * permission/erasure.h
 *	  Erasures under way, for who must act on them at once.
 *
 * From the commit of forget() on there is a tombstone.  The claim asks it
 * (gate_erasure.c), and the customer's lane ends what he has before it does
 * anything else (enrollment/erase.c).  Then his rows get a pseudonym, piece by
 * piece (operation/erase.sql), and the tombstone goes.
 *
 * What belongs to the erased self, and what to a new person of the same id, is
 * told by places: tickets of events, positions of messages, batches.
 */
#ifndef JO_ERASURE_H
#define JO_ERASURE_H

#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "capture/capture.h"

/* Before 32 hexadecimal digits: the id that an erased customer's rows name. */
#define JO_PSEUDONYM_PREFIX "erased:"

typedef struct JoErasure
{
	char	   *customer_id;
	int64		erasure_id;		/* ticket of its command */
	FullTransactionId xid;		/* that asked for it */
	TimestampTz instant;		/* engine clock at the request */
	bool		is_applied;		/* his lane has ended what he had ... */
	int64		before_position;	/* ... and these are its messages */
} JoErasure;

typedef struct JoErasures
{
	int			count;
	JoErasure  *items;			/* by customer_id */
} JoErasures;

/* Is this the pseudonym of somebody who was erased? */
extern bool jo_customer_is_erased(const char *customer_id);

/*
 * The erasures under way that "snapshot" sees, of one lane or (-1) of all, in
 * CurrentMemoryContext; NULL when there is none, which costs next to nothing.
 */
extern JoErasures *jo_erasures_read(int lane, Snapshot snapshot);

/*
 * Is the message, or the event, of a self that is being erased?  A report is
 * if the message is that it is about (NULL: no message).
 */
extern bool jo_erasures_cover_message(const JoErasures *erasures,
									  const char *customer_id,
									  const pg_uuid_t *message_id);
extern bool jo_erasures_cover_event(const JoErasures *erasures,
									const JoEvent *event,
									const pg_uuid_t *message_id);

#endif							/* JO_ERASURE_H */
