/*
 * enrollment/state.c
 *	  The words for the states of an enrollment: the same in the C enum, the
 *	  table's constraint, the views and the README.
 */
#include "postgres.h"

#include "enrollment/batch.h"

static const char *const state_names[] = {
	[JO_ENROLLMENT_MOVING] = "moving",
	[JO_ENROLLMENT_WAITING] = "waiting",
	[JO_ENROLLMENT_DELAYED] = "delayed",
	[JO_ENROLLMENT_SENDING] = "sending",
	[JO_ENROLLMENT_HELD] = "held",
	[JO_ENROLLMENT_PARKED] = "parked",
	[JO_ENROLLMENT_ENDED] = "ended"
};

const char *
jo_enrollment_state_name(JoEnrollmentState state)
{
	return state_names[state];
}

JoEnrollmentState
jo_enrollment_state_of(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
		if (jo_streq(name, state_names[i]))
			return (JoEnrollmentState) i;
	elog(ERROR, "unknown enrollment state \"%s\"", name);
}
