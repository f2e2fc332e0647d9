/*
 * audience/customer.c
 *	  Loads a group of customers with one statement.
 *
 * The statement (statement.c) is prepared once per backend, as a generic plan,
 * and kept until the binding or what it depends on changes.  Ids that are no
 * value of the key's type cannot have a row and are not asked for; what comes
 * back is compared once more with the id as text, so that "007" does not find
 * customer 7.
 *
 * It runs as the owner of the binding in an internal subtransaction, read-only
 * (XactReadOnly, because a view may call a function that writes), which is
 * rolled back also after success.  It sees the caller's active snapshot plus
 * the transaction's own writes, as expressions do.
 *
 * When the statement fails, the rows to blame are found by halves, so that one
 * customer whose row raises stops nobody else.
 *
 * id_sql has to be unique, which nothing can prove of a view.  A customer of
 * whom several rows are found has none of them but an error: to pick one would
 * tell one person what concerns another.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "audience/audience.h"
#include "audience/binding.h"
#include "core/civil.h"
#include "core/errors.h"
#include "core/run_as.h"

/* The load statement of binding generation "plan_generation". */
static SPIPlanPtr plan = NULL;
static Oid	plan_key_type = InvalidOid;
static uint64 plan_generation = 0;

/* Receives the rows of the load statement. */
typedef struct LoadReceiver
{
	DestReceiver pub;
	JoCustomer *customers;
	MemoryContext context;		/* where results are copied to */
} LoadReceiver;

/* ---- from ids to keys ---- */

/*
 * Parse a decimal integer in its canonical form, the one that its output
 * function writes.  False for anything else and out of min .. max.
 */
static bool
parse_integer(const char *id, int64 min, int64 max, int64 *result)
{
	const char *digits = id[0] == '-' ? id + 1 : id;
	size_t		length = strlen(digits);

	if (length == 0 || length > 19 || strspn(digits, "0123456789") != length)
		return false;
	if (digits[0] == '0' && (length > 1 || digits != id))
		return false;

	errno = 0;
	*result = strtoi64(id, NULL, 10);
	return errno == 0 && *result >= min && *result <= max;
}

/* Parse a uuid in canonical form: lower case, four hyphens. */
static bool
parse_uuid(const char *id, pg_uuid_t *result)
{
	int			digits = 0;

	memset(result, 0, sizeof(pg_uuid_t));
	for (int i = 0; i < 36; i++)
	{
		int			value;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (id[i] != '-')
				return false;
			continue;
		}
		if (id[i] >= '0' && id[i] <= '9')
			value = id[i] - '0';
		else if (id[i] >= 'a' && id[i] <= 'f')
			value = id[i] - 'a' + 10;
		else
			return false;
		result->data[digits / 2] = (result->data[digits / 2] << 4) | value;
		digits++;
	}
	return id[36] == '\0';
}

/* The id as a value of the key's type; false when it is none. */
static bool
parse_key(const char *id, Oid type, Datum *key)
{
	int64		integer;
	pg_uuid_t	uuid;

	switch (type)
	{
		case INT2OID:
			if (!parse_integer(id, PG_INT16_MIN, PG_INT16_MAX, &integer))
				return false;
			*key = Int16GetDatum((int16) integer);
			return true;
		case INT4OID:
			if (!parse_integer(id, PG_INT32_MIN, PG_INT32_MAX, &integer))
				return false;
			*key = Int32GetDatum((int32) integer);
			return true;
		case INT8OID:
			if (!parse_integer(id, PG_INT64_MIN, PG_INT64_MAX, &integer))
				return false;
			*key = Int64GetDatum(integer);
			return true;
		case UUIDOID:
			if (!parse_uuid(id, &uuid))
				return false;
			*key = UUIDPGetDatum(memcpy(palloc(UUID_LEN), &uuid, UUID_LEN));
			return true;
		default:
			*key = CStringGetTextDatum(id);
			return true;
	}
}

/* The two arrays that are the parameters of the load statement. */
static ParamListInfo
make_parameters(const JoCustomer *customers, int n)
{
	ParamListInfo parameters = makeParamList(2);
	Datum	   *keys = palloc(sizeof(Datum) * n);
	Datum	   *ordinals = palloc(sizeof(Datum) * n);
	int			count = 0;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	for (int i = 0; i < n; i++)
	{
		if (parse_key(customers[i].customer_id, plan_key_type, &keys[count]))
			ordinals[count++] = Int32GetDatum(i);
	}

	get_typlenbyvalalign(plan_key_type, &typlen, &typbyval, &typalign);
	parameters->params[0].value =
		PointerGetDatum(construct_array(keys, count, plan_key_type,
										typlen, typbyval, typalign));
	parameters->params[0].ptype = get_array_type(plan_key_type);
	parameters->params[1].value =
		PointerGetDatum(construct_array(ordinals, count, INT4OID,
										sizeof(int32), true, TYPALIGN_INT));
	parameters->params[1].ptype = INT4ARRAYOID;
	for (int i = 0; i < 2; i++)
	{
		parameters->params[i].isnull = false;
		parameters->params[i].pflags = PARAM_FLAG_CONST;
	}
	return parameters;
}

/* ---- from rows to customers ---- */

/* Text column of the load statement in CurrentMemoryContext; NULL for NULL and
 * for the empty string. */
static char *
slot_text(TupleTableSlot *slot, int column)
{
	char	   *value;

	if (slot->tts_isnull[column])
		return NULL;
	value = TextDatumGetCString(slot->tts_values[column]);
	return value[0] == '\0' ? NULL : value;
}

/* True when "id" is exactly the id asked for. */
static bool
is_same_id(Datum id, const char *customer_id)
{
	text	   *value = DatumGetTextPP(id);
	size_t		length = strlen(customer_id);

	return VARSIZE_ANY_EXHDR(value) == length &&
		memcmp(VARDATA_ANY(value), customer_id, length) == 0;
}

/* Several rows have the customer's id. */
static void
set_ambiguous(JoCustomer *customer)
{
	JoError    *error = palloc0(sizeof(JoError));

	strlcpy(error->sqlstate, unpack_sql_state(ERRCODE_CARDINALITY_VIOLATION),
			sizeof(error->sqlstate));
	error->message = psprintf("several rows of the bound relation have the id of customer \"%s\"",
							  jo_clipped(customer->customer_id));
	error->hint = pstrdup("The id_sql of journey_orch.bind_customer() has to be unique.");
	customer->error = error;
	customer->exists = false;
	customer->row = (Datum) 0;
	customer->timezone = customer->unknown_timezone = NULL;
	customer->locale = NULL;
	jo_customer_set_region(customer, NULL);
}

/* Take one row of the load statement. */
static bool
receive_customer(TupleTableSlot *slot, DestReceiver *self)
{
	LoadReceiver *receiver = (LoadReceiver *) self;
	MemoryContext oldcontext = MemoryContextSwitchTo(receiver->context);
	JoCustomer *customer;
	char	   *timezone;

	slot_getallattrs(slot);
	customer = &receiver->customers[DatumGetInt32(slot->tts_values[JO_LOAD_ORDINAL])];

	if (!slot->tts_isnull[JO_LOAD_ID] &&
		is_same_id(slot->tts_values[JO_LOAD_ID], customer->customer_id))
	{
		if (customer->exists || customer->error != NULL)
			set_ambiguous(customer);
		else
		{
			customer->exists = true;
			customer->row = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[JO_LOAD_ROW]));
			timezone = slot_text(slot, JO_LOAD_TIMEZONE);
			customer->timezone = customer->unknown_timezone = NULL;
			if (timezone != NULL && jo_zone_find(timezone) != NULL)
				customer->timezone = timezone;
			else
				customer->unknown_timezone = timezone;
			customer->locale = slot_text(slot, JO_LOAD_LOCALE);
			jo_customer_set_region(customer,
								   slot_text(slot, JO_LOAD_REGION));
		}
	}

	MemoryContextSwitchTo(oldcontext);
	return true;
}

static void
receive_startup(DestReceiver *self, int operation, TupleDesc descriptor)
{
}

static void
receive_end(DestReceiver *self)
{
}

/* ---- the load ---- */

/* Prepare the load statement unless this generation has it. */
static void
ensure_plan(const JoBinding *binding, uint64 generation)
{
	SPIPlanPtr	prepared;
	Oid			types[2];
	char	   *sql;

	if (plan != NULL && plan_generation == generation)
		return;
	if (plan != NULL)
	{
		SPI_freeplan(plan);
		plan = NULL;
	}

	sql = jo_binding_statement(binding, &plan_key_type);
	types[0] = get_array_type(plan_key_type);
	types[1] = INT4ARRAYOID;
	prepared = SPI_prepare_cursor(sql, 2, types, CURSOR_OPT_GENERIC_PLAN);
	if (prepared == NULL)
		elog(ERROR, "could not prepare the load of customers: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(prepared);
	plan = prepared;
	plan_generation = generation;
}

/* Run the load statement as the binding's owner; results go to "context". */
static void
load_rows(const JoBinding *binding, uint64 generation,
		  JoCustomer *customers, int n, MemoryContext context)
{
	SPIExecuteOptions options;
	LoadReceiver receiver;
	JoRunAs		saved;
	int			result;

	/* the end of the subtransaction restores it */
	XactReadOnly = true;

	if (ActiveSnapshotSet())
	{
		PushCopiedSnapshot(GetActiveSnapshot());
		UpdateActiveSnapshotCommandId();
	}
	else
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_owner(&saved, binding->owner);
	jo_expression_pin_settings();
	SPI_connect();
	ensure_plan(binding, generation);

	memset(&receiver, 0, sizeof(receiver));
	receiver.pub.receiveSlot = receive_customer;
	receiver.pub.rStartup = receive_startup;
	receiver.pub.rShutdown = receive_end;
	receiver.pub.rDestroy = receive_end;
	receiver.pub.mydest = DestTuplestore;	/* SPI takes DestNone for no query */
	receiver.customers = customers;
	receiver.context = context;

	memset(&options, 0, sizeof(options));
	options.params = make_parameters(customers, n);
	options.read_only = true;
	options.dest = (DestReceiver *) &receiver;
	result = SPI_execute_plan_extended(plan, &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not load customers: %s", SPI_result_code_string(result));

	SPI_finish();
	jo_run_as_end(&saved);
	PopActiveSnapshot();
}

/* End the subtransaction of the load, however it went. */
static void
leave(MemoryContext context, ResourceOwner resource_owner)
{
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resource_owner;
}

/* Every customer as if no row were found. */
static void
reset_customers(JoCustomer *customers, int n, bool exists)
{
	for (int i = 0; i < n; i++)
	{
		customers[i].row = (Datum) 0;
		customers[i].exists = exists;
		customers[i].error = NULL;
		customers[i].timezone = NULL;
		customers[i].unknown_timezone = NULL;
		customers[i].locale = NULL;
		jo_customer_set_region(&customers[i], NULL);
	}
}

/*
 * True for failures that pass: transaction rollback, lack of resources, locks;
 * not when a function of the relation only raises their SQLSTATE.
 */
static bool
is_passing(const ErrorData *edata)
{
	int			category = ERRCODE_TO_CATEGORY(edata->sqlerrcode);

	return !jo_error_is_quoted(edata) &&
		(category == ERRCODE_TRANSACTION_ROLLBACK ||
		 category == ERRCODE_INSUFFICIENT_RESOURCES ||
		 category == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
}

/*
 * Load a group in one subtransaction.  Returns NULL, or the error, and no
 * customer filled then; raises it instead when "may_raise" or when it is an
 * interrupt.  "passes": the error will pass by itself.
 */
static JoError *
load_group(const JoBinding *binding, uint64 generation,
		   JoCustomer *customers, int n, bool may_raise, bool *passes)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resource_owner = CurrentResourceOwner;
	JoError    *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		load_rows(binding, generation, customers, n, context);
		leave(context, resource_owner);
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		bool		is_raised;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		is_raised = may_raise || jo_error_is_interrupt(edata);
		*passes = is_passing(edata);
		error = jo_error_capture();
		leave(context, resource_owner);
		reset_customers(customers, n, false);
		if (is_raised)
			ReThrowError(edata);
	}
	PG_END_TRY();

	return error;
}

/*
 * Find the rows that raise in a group that failed with "error", by halves.
 * Returns how many customers have an error.
 */
static int
blame_rows(const JoBinding *binding, uint64 generation,
		   JoCustomer *customers, int n, JoError *error)
{
	int			half = n / 2;
	int			count = 0;
	bool		passes;

	if (n == 1)
	{
		customers[0].error = error;
		return 1;
	}

	error = load_group(binding, generation, customers, half, false,
					   &passes);
	if (error != NULL)
		count += blame_rows(binding, generation, customers, half, error);
	error = load_group(binding, generation, customers + half, n - half, false,
					   &passes);
	if (error != NULL)
		count += blame_rows(binding, generation, customers + half, n - half, error);
	return count;
}

/* Raise an error that was captured; NULL: there is none. */
static void
raise_error(const JoError *error)
{
	if (error != NULL)
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
									   error->sqlstate[2], error->sqlstate[3],
									   error->sqlstate[4])),
				 errmsg("%s", error->message),
				 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/*
 * A relation that cannot be read fails for no ids too; rows that raise do not.
 * When every row of several raises, the relation is to blame after all: a
 * batch should wait for its repair rather than blame everybody.
 */
void
jo_customer_load(JoCustomer *customers, int n, JoError **error)
{
	const JoBinding *binding;
	JoError    *failure;
	uint64		generation;
	bool		passes = false;
	bool		ignored;

	if (error != NULL)
		*error = NULL;
	binding = jo_binding_begin(&generation);
	reset_customers(customers, n, binding == NULL);
	if (binding == NULL || n == 0)
	{
		jo_binding_end();
		return;
	}

	failure = load_group(binding, generation, customers, n, error == NULL,
						 &passes);
	if (error == NULL)
		for (int i = 0; i < n; i++)
			raise_error(customers[i].error);
	if (failure != NULL &&
		(passes ||
		 load_group(binding, generation, customers, 0, false,
					&ignored) != NULL ||
		 (blame_rows(binding, generation, customers, n, failure) == n && n > 1)))
	{
		reset_customers(customers, n, false);
		*error = failure;
	}
	jo_binding_end();
}
