/*
 * permission/gate.h
 *	  What the files of this room share with each other only.
 */
#ifndef JO_GATE_H
#define JO_GATE_H

#include "permission/permission.h"

struct JoGates
{
	JoGateStage stage;
	TimestampTz clock;
	Snapshot	snapshot;
	MemoryContext context;		/* of what decisions point to */
	uint32		active;			/* a bit a gate, by its place in the order */
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
extern void jo_gate_expiry(JoGates *gates, const JoGateQuestion *question,
						   JoGateDecision *decision);

/* As jo_gates_ask(), but only of one gate, for tests. */
extern void jo_gates_ask_one(JoGates *gates, const char *gate,
							 const JoGateQuestion *question,
							 JoGateDecision *decision);

/* topic.c: register its cache. */
extern void jo_topic_init(void);

#endif							/* JO_GATE_H */
