/*
 * enrollment/rows.h
 *	  Between the batch's structures and the columns of this room's tables.
 */
#ifndef JO_ROWS_H
#define JO_ROWS_H

#include "executor/tuptable.h"

#include "enrollment/batch.h"

/* Columns in the order of state.sql (leaves are made LIKE their parents). */
enum
{
	RUN_CUSTOMER_ID, RUN_ENROLLMENT_ID, RUN_ENTRY_EVENT_ID, RUN_ACTED,
	RUN_ENTERED_AT, RUN_ARRIVED_AT, RUN_DUE_AT, RUN_HINT_AT, RUN_JOURNEY_ID, RUN_VERSION,
	RUN_GENERATION, RUN_VISIT, RUN_LANE, RUN_IS_HOLDOUT,
	RUN_IS_GLOBAL_HOLDOUT, RUN_WAS_ABSENT, RUN_HAS_MESSAGES,
	RUN_STATE, RUN_STEP, RUN_KEY, RUN_CONTEXT, RUN_ENTRY_EVENT, RUN_EVENT,
	RUN_ENTRY_NAME, RUN_EVENT_NAME, RUN_ERROR, RUN_PARENT_ID,
	RUN_PARENT_VISIT, RUN_PROGRESS, RUN_ENTRY_ORDER,
	RUN_COLUMNS,
	TRIAL_IS_ENDED = RUN_COLUMNS,	/* of trial_enrollment */
	TRIAL_COLUMNS
};

enum
{
	MEMORY_CUSTOMER_ID, MEMORY_LAST_ENTERED, MEMORY_LAST_ENDED,
	MEMORY_JOURNEY_ID, MEMORY_RUNS, MEMORY_LANE, MEMORY_KEY, MEMORY_DIGESTS,
	MEMORY_RECENT,
	MEMORY_COLUMNS
};

enum
{
	PLAN_CUSTOMER_ID, PLAN_DUE_AT, PLAN_HINT_AT, PLAN_LAST_AT,
	PLAN_JOURNEY_ID, PLAN_TIMES, PLAN_TAKEN, PLAN_GENERATION, PLAN_LANE,
	PLAN_BASIS, PLAN_ERROR,
	PLAN_COLUMNS
};

enum
{
	MESSAGE_CUSTOMER_ID, MESSAGE_MESSAGE_ID, MESSAGE_ENROLLMENT_ID,
	MESSAGE_DUE_AT, MESSAGE_ENQUEUED_AT, MESSAGE_EXPIRES_AT,
	MESSAGE_EVENT_ID, MESSAGE_JOURNEY_ID, MESSAGE_VERSION, MESSAGE_VISIT,
	MESSAGE_ATTEMPT, MESSAGE_LANE, MESSAGE_PRIORITY, MESSAGE_IS_AWAITED,
	MESSAGE_STATE, MESSAGE_CHANNEL, MESSAGE_TEMPLATE, MESSAGE_STEP,
	MESSAGE_TOPIC, MESSAGE_ARM, MESSAGE_PAYLOAD, MESSAGE_ERROR,
	MESSAGE_FAILURES,
	MESSAGE_COLUMNS
};

enum
{
	TIMER_DUE_AT, TIMER_TIMER_ID, TIMER_LANE, TIMER_SEGMENT,
	TIMER_CUSTOMER_ID,
	TIMER_COLUMNS
};

enum
{
	LOG_ENROLLMENT_ID, LOG_CLOCK, LOG_ARRIVED_AT, LOG_DUE_AT, LOG_EVENT_ID,
	LOG_BATCH, LOG_JOURNEY_ID, LOG_VERSION, LOG_VISIT, LOG_LANE, LOG_SEGMENT,
	LOG_OUTCOME, LOG_CUSTOMER_ID, LOG_KEY, LOG_FROM_STEP, LOG_TO_STEP,
	LOG_ENTERED_AT, LOG_REASON, LOG_ARM, LOG_VALUE, LOG_CURRENCY, LOG_CONTEXT, LOG_DECISION,
	LOG_COLUMNS
};

enum
{
	OUTCOME_COMMAND_ID, OUTCOME_AT, OUTCOME_ENROLLMENT_ID, OUTCOME_STATUS,
	OUTCOME_RULE,
	OUTCOME_COLUMNS
};

enum
{
	REQUEST_ENROLLMENT_ID, REQUEST_ASKED_AT, REQUEST_JOURNEY_ID,
	REQUEST_VERSION, REQUEST_VISIT, REQUEST_CUSTOMER_ID, REQUEST_STEP,
	REQUEST_COLUMNS
};

/* The most columns any of them has. */
#define ROW_COLUMNS TRIAL_COLUMNS

/* Read a row whose slot is fully deformed; copies into CurrentMemoryContext. */
extern JoRun *jo_run_from_row(JoMember *member, TupleTableSlot *slot);
extern JoMemory *jo_memory_from_row(TupleTableSlot *slot);
extern JoPlan *jo_plan_from_row(TupleTableSlot *slot);
extern JoMessage *jo_message_from_row(JoMember *member, TupleTableSlot *slot);

/* Fill values[] and isnull[] (ROW_COLUMNS of them) for writing. */
extern void jo_run_to_row(int lane, const JoRun *run, Datum *values,
						  bool *isnull);
extern void jo_memory_to_row(int lane, const JoMember *member,
							 const JoMemory *memory, Datum *values,
							 bool *isnull);
extern void jo_plan_to_row(int lane, const JoMember *member,
						   const JoPlan *plan, Datum *values, bool *isnull);
extern void jo_message_to_row(int lane, const JoMessage *message,
							  Datum *values, bool *isnull);
extern void jo_log_to_row(const JoBatch *batch, int segment,
						  const JoLogRow *row, Datum *values, bool *isnull);
extern void jo_asking_to_row(const JoAsking *asking, Datum *values,
							 bool *isnull);
extern void jo_outcome_to_row(const JoOutcome *outcome, Datum *values,
							  bool *isnull);

#endif							/* JO_ROWS_H */
