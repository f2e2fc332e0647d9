/*
 * capture/guard.c
 *	  Runs what may raise so that the user's statement does not notice.
 *
 * The body runs in an internal subtransaction.  It must not write: a write
 * would give the subtransaction an xid of its own, and 64 of those in one
 * transaction make every snapshot of the server slow.  Events and failures are
 * therefore written by the caller, outside.  (The exception is the creation of
 * missing leaves, once in the life of a database.)
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "capture/internal.h"
#include "core/run_as.h"

/*
 * True for errors that must reach the user whatever we were doing.  An author's
 * function that raises with one of these SQLSTATEs only imitates them.
 */
static bool
must_be_raised(const ErrorData *edata)
{
	if (jo_error_is_interrupt(edata))
		return true;
	return !jo_error_is_quoted(edata) &&
		(edata->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		 ERRCODE_TO_CATEGORY(edata->sqlerrcode) ==
		 ERRCODE_INSUFFICIENT_RESOURCES);
}

JoError *
jo_guard(JoGuarded body, void *arg, Oid owner)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resource_owner = CurrentResourceOwner;
	JoError    *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);

	PG_TRY();
	{
		if (OidIsValid(owner))
		{
			JoRunAs		run_as;

			/* The end of the subtransaction restores the old value. */
			XactReadOnly = true;
			jo_run_as_owner(&run_as, owner);
			jo_expression_pin_settings();
			body(arg);
			jo_run_as_end(&run_as);
			RollbackAndReleaseCurrentSubTransaction();
		}
		else
		{
			body(arg);
			ReleaseCurrentSubTransaction();
		}
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		bool		is_raised;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		is_raised = must_be_raised(edata);
		if (is_raised)
			FlushErrorState();
		else
			error = jo_error_capture();

		/* Also before raising: the error is not of this subtransaction. */
		RollbackAndReleaseCurrentSubTransaction();
		if (is_raised)
		{
			MemoryContextSwitchTo(context);
			CurrentResourceOwner = resource_owner;
			ReThrowError(edata);
		}
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resource_owner;
	return error;
}
