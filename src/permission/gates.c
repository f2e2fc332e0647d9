/*
 * permission/gates.c
 *	  The gates in their order; the first that does not allow decides.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "core/clock.h"
#include "permission/cap.h"
#include "permission/gate.h"
#include "permission/halt.h"
#include "permission/holiday.h"
#include "permission/hours.h"

/*
 * The order.  What nobody may override comes first, what only says "later"
 * comes after what says "never", and caps come last of what may withhold, so
 * that nothing is counted that another gate would have stopped.
 */
static const JoGate gates_in_order[] = {
	{"halt", jo_gate_halt_is_active, jo_gate_halt},
	{"erasure", jo_gate_erasure_is_active, jo_gate_erasure},
	{"suppression", jo_gate_suppression_is_active, jo_gate_suppression},
	{"consent", jo_gate_consent_is_active, jo_gate_consent},
	{"class", jo_gate_class_is_active, jo_gate_class},
	{"quiet_hours", jo_gate_quiet_hours_is_active, jo_gate_quiet_hours},
	{"cap", jo_gate_cap_is_active, jo_gate_cap},
	{"holdout", jo_gate_holdout_is_active, jo_gate_holdout},
	{"expiry", NULL, jo_gate_expiry},
};

/* Places in the order that only look at the message itself. */
#define EXPIRY_BIT	(((uint32) 1) << (lengthof(gates_in_order) - 1))

/* In the order of JoProbeKind. */
static const struct
{
	const char *table;
	AttrNumber	column;
}			probed[] = {
	{"consent", 2},
	{"suppressed_address", 2},
	{"objection", 2},
	{"do_not_call", 2},
};

void
jo_permission_init(void)
{
	jo_topic_init();
	jo_halt_init();
	jo_cap_init();
	jo_class_init();
	jo_holiday_init();
	jo_hours_init();
	jo_place_init();
}

JoGates *
jo_gates_begin(JoGateStage stage, TimestampTz clock, Snapshot snapshot)
{
	JoGates    *gates = palloc0(sizeof(JoGates));

	gates->stage = stage;
	gates->clock = clock;
	gates->snapshot = snapshot;
	gates->context = CurrentMemoryContext;
	for (int i = 0; i < lengthof(gates_in_order); i++)
		if (gates_in_order[i].is_active == NULL ||
			gates_in_order[i].is_active(gates))
			gates->active |= ((uint32) 1) << i;
	return gates;
}

JoProbe *
jo_gates_probe(JoGates *gates, JoProbeKind kind)
{
	if (gates->probes[kind] == NULL)
		gates->probes[kind] = jo_probe_open(probed[kind].table,
											probed[kind].column,
											gates->snapshot);
	return gates->probes[kind];
}

void
jo_gates_set_clock(JoGates *gates, TimestampTz clock)
{
	gates->clock = clock;
}

bool
jo_gates_are_active(const JoGates *gates)
{
	return (gates->active & ~EXPIRY_BIT) != 0;
}

void
jo_gates_ask(JoGates *gates, const JoGateQuestion *question,
			 JoGateDecision *decision)
{
	MemoryContext caller = MemoryContextSwitchTo(gates->context);

	memset(decision, 0, sizeof(*decision));
	decision->until = JO_NO_TIME;
	for (int i = 0; i < lengthof(gates_in_order); i++)
	{
		if ((gates->active & (((uint32) 1) << i)) == 0 ||
			(question->is_test && strcmp(gates_in_order[i].name, "halt") != 0))
			continue;
		gates_in_order[i].ask(gates, question, decision);
		if (decision->answer == JO_GATE_ALLOW)
			continue;
		decision->gate = gates_in_order[i].name;
		break;
	}
	MemoryContextSwitchTo(caller);
}

void
jo_gates_ask_one(JoGates *gates, const char *gate,
				 const JoGateQuestion *question, JoGateDecision *decision)
{
	uint32		active = gates->active;

	gates->active = 0;
	for (int i = 0; i < lengthof(gates_in_order); i++)
		if (strcmp(gates_in_order[i].name, gate) == 0)
			gates->active = active & (((uint32) 1) << i);
	jo_gates_ask(gates, question, decision);
	gates->active = active;
}

const char *
jo_gates_name(int place)
{
	return place < lengthof(gates_in_order) ? gates_in_order[place].name : NULL;
}

void
jo_gates_count(JoGates *gates, const JoGateQuestion *question)
{
	if (!question->is_test)
		jo_cap_count(gates, question);
}

void
jo_gates_end(JoGates *gates)
{
	jo_cap_end(gates);
	for (int i = 0; i < JO_PROBES; i++)
		if (gates->probes[i] != NULL)
			jo_probe_close(gates->probes[i]);
	pfree(gates);
}
