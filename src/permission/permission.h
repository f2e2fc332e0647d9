/*
 * permission/permission.h
 *	  May this message go out now?
 *
 * The gates are asked in one fixed order (gates.c), when a message is enqueued
 * and again when it is claimed; the first that does not allow decides.  An
 * answer names the gate, the rule, and the evidence as it was then.
 */
#ifndef JO_PERMISSION_H
#define JO_PERMISSION_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

/* What a topic's messages are; docs/gates.md tells what stops which. */
typedef enum JoTopicClass
{
	JO_CLASS_MARKETING,
	JO_CLASS_TRANSACTIONAL,
	JO_CLASS_SERVICE,			/* also of no topic and an undeclared one */
	JO_CLASS_LEGAL
} JoTopicClass;

typedef enum JoTopicConsent
{
	JO_CONSENT_OPT_IN,
	JO_CONSENT_OPT_OUT,
	JO_CONSENT_NONE				/* also of no topic and an undeclared one */
} JoTopicConsent;

/* As declared by set_topic(), from a cache; NULL: no topic. */
extern JoTopicClass jo_topic_class(const char *topic);
extern JoTopicConsent jo_topic_consent(const char *topic);

/* "marketing", "transactional", "service" or "legal". */
extern const char *jo_topic_class_name(JoTopicClass class);

/* When the gates are asked. */
typedef enum JoGateStage
{
	JO_GATE_AT_ENQUEUE,
	JO_GATE_AT_CLAIM			/* here caps count */
} JoGateStage;

typedef enum JoGateAnswer
{
	JO_GATE_ALLOW,
	JO_GATE_DEFER,				/* not before "until" */
	JO_GATE_WITHHOLD			/* never */
} JoGateAnswer;

/* One message that wants to go out. */
typedef struct JoGateQuestion
{
	const pg_uuid_t *message_id;	/* NULL: it has none yet */
	const char *customer_id;
	const char *channel;
	const char *channel_kind;	/* push, inbox, audience, task */
	const char *channel_consent;	/* topic: as its topic says; opt_in:
									 * whatever that says; none */
	const char *address;		/* or NULL */
	const char *topic;			/* or NULL */
	const char *journey;		/* or NULL: of no journey */
	const char *timezone;		/* the customer's own, or NULL: see has_place */
	const char *region;			/* the customer's own, or NULL */
	bool		has_place;		/* timezone and region are known; else a gate
								 * that needs them loads the customer's row */
	bool		is_stream;		/* its channel is never claimed: caps count
								 * when it is enqueued */
	bool		is_test;		/* of send_test(): only a halt stops it, and
								 * no cap counts it */
	TimestampTz expires_at;		/* JO_NO_TIME: never */
} JoGateQuestion;

typedef struct JoGateDecision
{
	JoGateAnswer answer;
	const char *gate;			/* that decided: a name of docs/gates.md */
	const char *rule;			/* name of the halt, cap, hours, ...; or NULL */
	const char *reason;			/* one word for logs and views */
	TimestampTz until;			/* of JO_GATE_DEFER; JO_NO_TIME else */
	bool		ends_run;		/* the rule's action is "exit" */
	Jsonb	   *evidence;		/* what the gate saw; NULL when it allows */
} JoGateDecision;

typedef struct JoGates JoGates;

/*
 * Ask questions between begin and end, with the rules and facts that
 * "snapshot" sees, at "clock" (engine clock).  What a decision points to is in
 * the memory context that was current at begin.  Runs no code of users but the
 * binding's expressions (JoGateQuestion.has_place).
 */
extern JoGates *jo_gates_begin(JoGateStage stage, TimestampTz clock,
							   Snapshot snapshot);

/* From now on the engine clock is this: a batch may be at several instants. */
extern void jo_gates_set_clock(JoGates *gates, TimestampTz clock);

/*
 * Could any gate have an answer but allow for some message?  False costs
 * nothing to find out and spares the caller the questions (those of gate
 * "expiry" excepted, which he asks by himself then).
 */
extern bool jo_gates_are_active(const JoGates *gates);
extern void jo_gates_ask(JoGates *gates, const JoGateQuestion *question,
						 JoGateDecision *decision);

/* Name of the gate at this place of the order, from 0; NULL: there is none. */
extern const char *jo_gates_name(int place);

/* As jo_gates_ask(), but only of one gate: for who wants to hear all of them. */
extern void jo_gates_ask_one(JoGates *gates, const char *gate,
							 const JoGateQuestion *question,
							 JoGateDecision *decision);

/* The message goes out: the caps that are about it count it. */
extern void jo_gates_count(JoGates *gates, const JoGateQuestion *question);
extern void jo_gates_end(JoGates *gates);

/*
 * Before the snapshot of a claim of the channel, after the channel's own lock:
 * wait for other claims whose messages the same caps count.
 */
extern void jo_caps_lock(const char *channel);

/*
 * Messages that were handed out and have come to nothing (failed, expired,
 * withdrawn, deferred, withheld): caps count them no more.  Those that were
 * never counted do not matter.  The caller holds the lock of their claim or
 * channel.
 */
extern void jo_caps_return(const pg_uuid_t *message_ids, int n);

/* A decision that did not allow, as table gate_decision keeps it. */
typedef struct JoGateRecord
{
	pg_uuid_t	message_id;
	pg_uuid_t	enrollment_id;
	const char *customer_id;
	const char *step;
	const char *channel;
	const char *template;
	const char *topic;			/* or NULL */
	const char *arm;			/* or NULL */
	int32		journey_id;
	int32		version;
	int32		visit;
	int32		attempt;
	int16		lane;			/* of the customer */
	JoGateStage stage;
	TimestampTz decided_at;		/* engine clock */
	JoGateDecision decision;
} JoGateRecord;

/* Append to the decisions of their lanes; anybody may at any time. */
extern void jo_gate_record_append(const JoGateRecord *records, int n);

/*
 * May the channel be drained at all, as "snapshot" sees it?  NULL, or the halt's
 * name as decisions call it, in CurrentMemoryContext: then claim() hands out
 * nothing and keeps its places.
 */
extern char *jo_halt_of_channel(const char *channel, Snapshot snapshot);

/*
 * Evidence of consent may be changed while this is true: set by the erasure of
 * a customer around its own statements, and unset by it on every way out.
 */
extern bool jo_evidence_is_open;

/*
 * Does any channel ask for consent whatever a topic says?  Set by the room that
 * has the channels; NULL: none does.
 */
typedef bool (*JoChannelsNeedConsent) (void);
extern JoChannelsNeedConsent jo_channels_need_consent;

/*
 * Names (char *) of the rules that nobody has reviewed and that cover messages
 * of that channel, topic (or NULL) and journey, in CurrentMemoryContext.
 */
extern List *jo_rules_unreviewed(const char *channel, const char *topic,
								 const char *journey);

extern void jo_permission_init(void);

#endif							/* JO_PERMISSION_H */
