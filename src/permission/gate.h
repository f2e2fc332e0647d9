/*
 * permission/gate.h
 *	  What the files of this room share with each other only.
 */
#ifndef JO_GATE_H
#define JO_GATE_H

#include "permission/permission.h"
#include "permission/probe.h"

/* Tables that gates look into. */
typedef enum JoProbeKind
{
	JO_PROBE_CONSENT,			/* by customer_id */
	JO_PROBE_SUPPRESSION,		/* by address_hash */
	JO_PROBE_OBJECTION,			/* by customer_id */
	JO_PROBE_DO_NOT_CALL		/* by address_hash */
} JoProbeKind;

#define JO_PROBES (JO_PROBE_DO_NOT_CALL + 1)

/* What gate "cap" has counted; private to gate_cap.c. */
typedef struct JoCapCount JoCapCount;

struct JoGates
{
	JoGateStage stage;
	TimestampTz clock;
	Snapshot	snapshot;
	MemoryContext context;		/* of what decisions point to */
	uint32		active;			/* a bit a gate, by its place in the order */
	JoCapCount *caps;			/* NULL: nothing counted yet */
	JoProbe    *probes[JO_PROBES];	/* NULL: not asked for yet */
	struct JoErasures *erasures;	/* of gate "erasure"; NULL: none is under
									 * way */
};

/*
 * One gate: one file gate_NAME.c.  ask() fills in answer, rule, reason, until,
 * ends_run and evidence when it does not allow; "decision" says ALLOW before.
 */
typedef struct JoGate
{
	const char *name;

	/*
	 * Can it have an answer but allow at all?  Called once a
	 * jo_gates_begin(); one that says no is not asked.  NULL: ask always.
	 */
	bool		(*is_active) (JoGates *gates);
	void		(*ask) (JoGates *gates, const JoGateQuestion *question,
						JoGateDecision *decision);
} JoGate;

extern bool jo_gate_halt_is_active(JoGates *gates);
extern void jo_gate_halt(JoGates *gates, const JoGateQuestion *question,
						 JoGateDecision *decision);
extern bool jo_gate_quiet_hours_is_active(JoGates *gates);
extern void jo_gate_quiet_hours(JoGates *gates,
								const JoGateQuestion *question,
								JoGateDecision *decision);
extern bool jo_gate_holdout_is_active(JoGates *gates);
extern void jo_gate_holdout(JoGates *gates, const JoGateQuestion *question,
							JoGateDecision *decision);
extern bool jo_gate_erasure_is_active(JoGates *gates);
extern void jo_gate_erasure(JoGates *gates, const JoGateQuestion *question,
							JoGateDecision *decision);

extern bool jo_gate_cap_is_active(JoGates *gates);
extern void jo_gate_cap(JoGates *gates, const JoGateQuestion *question,
						JoGateDecision *decision);

/* For jo_gates_count() and jo_gates_end(). */
extern void jo_cap_count(JoGates *gates, const JoGateQuestion *question);
extern void jo_cap_end(JoGates *gates);

/* The probe of a table, opened when it is first wanted. */
extern JoProbe *jo_gates_probe(JoGates *gates, JoProbeKind kind);

extern bool jo_gate_suppression_is_active(JoGates *gates);
extern void jo_gate_suppression(JoGates *gates, const JoGateQuestion *question,
								JoGateDecision *decision);
extern bool jo_gate_consent_is_active(JoGates *gates);
extern void jo_gate_consent(JoGates *gates, const JoGateQuestion *question,
							JoGateDecision *decision);
extern bool jo_gate_class_is_active(JoGates *gates);
extern void jo_gate_class(JoGates *gates, const JoGateQuestion *question,
						  JoGateDecision *decision);
extern void jo_gate_expiry(JoGates *gates, const JoGateQuestion *question,
						   JoGateDecision *decision);

/* topic.c: register its cache; does any topic need a consent? */
extern void jo_topic_init(void);
extern bool jo_topic_needs_opt_in(void);

/* gate_class.c: register its cache. */
extern void jo_class_init(void);

#endif							/* JO_GATE_H */
