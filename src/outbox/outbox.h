/*
 * outbox/outbox.h
 *	  Channels, and the rows that the engine appends to be drained.
 */
#ifndef JO_OUTBOX_H
#define JO_OUTBOX_H

#include "content/content.h"
#include "core/clock.h"
#include "core/expression.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

typedef struct JoChannel
{
	char	   *name;
	char	   *kind;			/* push, inbox, audience, task */
	char	   *drain;			/* claim, stream */
	JoExpression *address;		/* text; NULL if it no longer compiles: see
								 * error */
	JoError    *error;
	int			max_attempts;
	Interval   *retry_after;
	Interval   *retry_max;
	Interval   *expires_after;	/* NULL: never */
	double		rate;			/* messages a second; 0: no limit */
	int			size_limit;		/* bytes; 0: none */
	char	   *consent;		/* topic, opt_in, none */
	char	  **dispositions;	/* ends with NULL; NULL: of no task */
	JoOptOut	opt_out;
} JoChannel;

extern void jo_channel_cache_begin(void);
extern void jo_channel_cache_end(void);

/* NULL when there is no such channel.  Valid until jo_channel_cache_end(). */
extern JoChannel *jo_channel_find(const char *name);

/* Are its messages with the customer, or the stream's reader, as soon as they
 * are enqueued, so that nobody will acknowledge them? */
static inline bool
jo_channel_hands_over(const JoChannel *channel)
{
	return strcmp(channel->kind, "inbox") == 0 ||
		strcmp(channel->drain, "stream") == 0;
}

/* One attempt, as the engine wants it delivered. */
typedef struct JoAttempt
{
	pg_uuid_t	message_id;
	pg_uuid_t	enrollment_id;
	const char *channel;
	const char *customer_id;
	const char *template;
	const char *step;
	const char *topic;			/* or NULL */
	const char *arm;			/* or NULL */
	Jsonb	   *payload;
	int64		position;
	int64		event_id;		/* 0: none */
	TimestampTz enqueued_at;
	TimestampTz expires_at;		/* JO_NO_TIME: never */
	int32		journey_id;
	int32		version;
	int32		visit;
	int32		attempt;
	int16		priority;
	int16		failures;		/* attempts on this channel that failed before */
	const char *timezone;		/* the customer's, for gates at the claim; ... */
	const char *region;			/* ... NULL: no rule needs them */
	bool		is_awaited;		/* its run stands at the send step until it
								 * settles: an ack becomes message.sent */
} JoAttempt;

/* The queues of a channel, in the order of their positions. */
typedef enum JoQueue
{
	JO_QUEUE_NORMAL,			/* priority 3 to 6 */
	JO_QUEUE_HIGH,				/* 7 to 9: claimed before all others */
	JO_QUEUE_LOW				/* 0 to 2: when there is nothing else */
} JoQueue;

#define JO_QUEUES (JO_QUEUE_LOW + 1)

/* A position has 48 bits: two of the queue, and an ordinal of the lane. */
#define JO_POSITION_ORDINAL_BITS 46

static inline JoQueue
jo_queue_of_priority(int priority)
{
	return priority >= 7 ? JO_QUEUE_HIGH :
		priority <= 2 ? JO_QUEUE_LOW : JO_QUEUE_NORMAL;
}

/* Where the positions of a queue begin. */
static inline int64
jo_queue_start(int queue)
{
	return (int64) queue << JO_POSITION_ORDINAL_BITS;
}

static inline int
jo_queue_of_position(int64 position)
{
	return (int) (position >> JO_POSITION_ORDINAL_BITS);
}

/* The lane's ordinal alone: the later of two attempts has the larger one. */
static inline int64
jo_position_ordinal(int64 position)
{
	return position & ((INT64CONST(1) << JO_POSITION_ORDINAL_BITS) - 1);
}

/* The position of an attempt that gets the lane's next ordinal. */
static inline int64
jo_outbox_position(int priority, int64 ordinal)
{
	return jo_queue_start(jo_queue_of_priority(priority)) + ordinal;
}

/*
 * Write the place of a message's first attempt into its id: bytes 0 to 5 are
 * the position, the low half of byte 6 is the lane, and the id becomes a UUID of
 * version 8; the other 68 bits stay what jo_message_id() computed.  The engine
 * calls it when it gives the message its position, before the id is used for
 * anything, so that a report finds the message years later without an index
 * (docs/decisions/0006).  Positions begin with 1: an id that reads as position 0
 * is of no message.
 */
extern void jo_message_id_place(pg_uuid_t *id, int lane, int64 position);

/* Append attempts to the lane's outbox and ring the channels at commit. */
extern void jo_outbox_append(int lane, const JoAttempt *attempts, int n);

typedef struct JoWithdrawal
{
	pg_uuid_t	enrollment_id;
	int64		before_position;	/* an ordinal */
	TimestampTz at;
	const char *reason;
} JoWithdrawal;

extern void jo_withdrawal_append(int lane, const JoWithdrawal *withdrawals, int n);

/* Has the enrollment been withdrawn, as "snapshot" sees it? */
extern bool jo_withdrawal_exists(int lane, const pg_uuid_t *enrollment_id,
								 Snapshot snapshot);

/*
 * The payload of an attempt: {"address", "subject", "body", "html", "headers"},
 * absent parts left out.
 */
extern Jsonb *jo_outbox_payload(const char *address, const char *subject,
								const char *body, const char *html, Jsonb *headers);

/* Of an audience: {"address", "operation": "add", "audience"}. */
extern Jsonb *jo_outbox_audience_payload(const char *address,
										 const char *audience);

extern void jo_outbox_init(void);

#endif							/* JO_OUTBOX_H */
