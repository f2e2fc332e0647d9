/*
 * outbox/reporting.h
 *	  What the files about reports and receipts share.
 *
 * Lock order: claim, then the locks of provider ids in ascending order, then
 * those of messages in ascending order (jo_report_lock()).
 */
#ifndef JO_REPORTING_H
#define JO_REPORTING_H

#include "utils/numeric.h"

#include "outbox/internal.h"

/* What somebody says of a message. */
typedef struct JoReport
{
	pg_uuid_t	message_id;
	char	   *channel;		/* of a report by provider id, else NULL */
	char	   *provider_id;	/* or NULL: message_id is given */
	char	   *status;
	bool		has_at;
	TimestampTz at;
	Jsonb	   *detail;			/* an object */
	bool		has_amount;		/* of statuses that carry one */
	Numeric		amount;
	char	   *currency;		/* set when has_amount */
	bool		is_machine;		/* by jo_machine_judge() ... */
	const char *agent;			/* ... the rule that decided, or NULL */
	/* by jo_report_record() */
	bool		is_new;			/* not a repeated one; then also: */
	char	   *customer_id;
	char	   *message_channel;
	char	   *topic;			/* or NULL */
	char	   *address;		/* or NULL */
	int			nothers;
	const struct JoReport *others;	/* of the same call, this one too */
} JoReport;

/* ---- amount.c ---- */

/*
 * Member "name" of the object as an amount: a number, or a string that is one.
 * Returns NULL, or a sentence that says what is wrong.  *found is false when
 * the member is absent or null.
 */
extern const char *jo_amount_read(JsonbContainer *object, const char *name,
								  bool *found, Numeric *amount);

/* The same of a currency: three capital letters, as of ISO 4217. */
extern const char *jo_currency_read(JsonbContainer *object, char **currency);

/* ---- report.c ---- */

/* Raise unless the caller's transaction may write; "name" is the function. */
extern void jo_report_begin(const char *name);

/*
 * What is wrong with status, detail and amount, as a sentence; NULL: nothing,
 * and the amount is read.  *hint is set when there is something to say.
 */
extern const char *jo_report_fault(JoReport *report, const char **hint);

/* A member of the report's detail that is a string; NULL: it is none. */
extern char *jo_report_string(const JoReport *report, const char *name);

/* Is this one of the statuses that may be reported? */
extern bool jo_report_is_status(const char *status);

/* Locks of a report: of its provider id, and of its message. */
#define JO_REPORT_LOCKS 256
#define JO_PROVIDER_LOCKS 64

extern int	jo_report_message_lock(const pg_uuid_t *message_id);
extern int	jo_report_provider_lock(const char *channel,
									const char *provider_id);

/* Take locks "first" .. "first" + n - 1 whose is_wanted[] is set. */
extern void jo_report_lock(int first, int n, const bool *is_wanted);

/*
 * Fill in message_id of a report by provider id, whose lock is held.  False
 * when a relay holds messages of the channel: it may be about one of them, and
 * is kept until the ack.  Raises 42704 when it can be about none, 21000 when it
 * is about several.
 */
extern bool jo_report_resolve(JoReport *report);

/*
 * Record a report whose message's lock is held; returns its event, that of the
 * first when it is repeated.  0 without "must_exist" when the outbox keeps the
 * message no more; else that raises 42704.  "checks_grant": raise 42501
 * unless the current user may drain the message's channel.
 */
extern int64 jo_report_record(JoReport *report, bool must_exist,
							  bool checks_grant);

/* ---- delivery.c ---- */

/*
 * The event of an equal report that was made before, 0 when there is none.
 * Redeeming counts once, whenever it happened.
 */
extern int64 jo_delivery_find(const JoReport *report, Snapshot snapshot);

/* When the message was delivered, or else acknowledged; JO_NO_TIME: nobody said. */
extern TimestampTz jo_delivery_sent_at(const pg_uuid_t *message_id,
									   Snapshot snapshot);

/*
 * The links (char *) of reports with the same status on the same message that
 * lie at most "within" microseconds before or after the report.
 */
extern List *jo_delivery_links(const JoReport *report, int64 within,
							   Snapshot snapshot);

/* Append the report's row. */
extern void jo_delivery_append(const JoReport *report, TupleTableSlot *message,
							   int64 event_id);

/* ---- feedback.c ---- */

/* Setting journey_orch.complaint_halt. */
extern bool jo_complaint_halt;

/* Do what reports that were recorded mean for messages to come. */
extern void jo_feedback_apply(JoReport *reports, int n);

/* Nothing goes to this address (NULL: nothing to do) on the channel any more. */
extern void jo_feedback_suppress(const pg_uuid_t *message_id,
								 const char *channel, const char *address,
								 const char *reason);

/* "address" of an attempt's payload; NULL: it has none. */
extern char *jo_attempt_address(TupleTableSlot *slot);

/* ---- machine.c ---- */

/* Fill in is_machine and agent of a report that has its time. */
extern void jo_machine_judge(JoReport *report, Snapshot snapshot);

extern void jo_machine_init(void);

/* ---- message_event.c ---- */

/* message.<status> with what the report says. */
extern void jo_report_event(JoEvent *event, const JoReport *report,
							TupleTableSlot *slot);

/* ---- receipt.c ---- */

/* What a provider said when it took a message. */
typedef struct JoReceipt
{
	pg_uuid_t	message_id;
	int			place;			/* in the claim's held */
	char	   *provider_id;	/* or NULL */
	bool		has_cost;
	Numeric		cost;
	char	   *currency;		/* or NULL */
} JoReceipt;

/* Longest provider's id, in bytes: it must fit into an index. */
#define JO_PROVIDER_ID_BYTES 500

/*
 * The receipts of an ack, after checking them; raises 22023 for what is none,
 * 42704 for a message that is not part of the claim.
 */
extern JoReceipt *jo_receipts_read(JoClaim *claim, Jsonb *receipts, int *n);

/*
 * Record them, and apply the reports that came before.  is_acked[] is by place:
 * the messages that this very ack settles.
 */
extern void jo_receipts_record(JoClaim *claim, const JoReceipt *receipts, int n,
							   const bool *is_acked);

/* Place of a message in the claim's held; raises 42704. */
extern int	jo_claim_get_place(JoClaim *claim, const pg_uuid_t *id);

/* The different messages, at most two, that the provider's id stands for. */
extern int	jo_receipt_find(const char *channel, const char *provider_id,
							Snapshot snapshot, pg_uuid_t *ids);

/* When the provider took the message; JO_NO_TIME: no receipt says. */
extern TimestampTz jo_receipt_at(const pg_uuid_t *message_id,
								 Snapshot snapshot);

/* Keep a report for the ack that is to come. */
extern void jo_early_report_keep(JoReport *report);

extern void jo_receipt_init(void);

#endif							/* JO_REPORTING_H */
