/*
 * outbox/amount.c
 *	  Amounts of money as providers write them: a number and a currency.
 *
 * They come from outside, so nothing here raises: what is wrong is a sentence
 * for whoever reports.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "core/errors.h"
#include "outbox/reporting.h"

/* Digits, sign and point of an amount: sums stay readable, and exact. */
#define AMOUNT_CHARACTERS 40

static JsonbValue *
get_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, name,
													 strlen(name), NULL);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/* Is the string digits with at most one sign and one point? */
static bool
is_decimal(const char *string)
{
	int			digits = 0;
	int			points = 0;

	if (*string == '-' || *string == '+')
		string++;
	for (; *string != '\0'; string++)
	{
		if (*string == '.')
			points++;
		else if (isdigit((unsigned char) *string))
			digits++;
		else
			return false;
	}
	return digits > 0 && points <= 1;
}

const char *
jo_amount_read(JsonbContainer *object, const char *name, bool *found,
			   Numeric *amount)
{
	JsonbValue *value = get_member(object, name);
	char	   *string = NULL;

	*found = value != NULL;
	if (value == NULL)
		return NULL;
	if (value->type == jbvNumeric)
		string = DatumGetCString(DirectFunctionCall1(numeric_out,
													 NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvString)
		string = pnstrdup(value->val.string.val, value->val.string.len);
	if (string == NULL || !is_decimal(string))
		return psprintf("\"%s\" is not a number.", name);
	if (strlen(string) > AMOUNT_CHARACTERS)
		return psprintf("\"%s\" has more than %d characters.", name,
						AMOUNT_CHARACTERS);
	*amount = DatumGetNumeric(DirectFunctionCall3(numeric_in,
												  CStringGetDatum(string),
												  ObjectIdGetDatum(InvalidOid),
												  Int32GetDatum(-1)));
	return NULL;
}

const char *
jo_currency_read(JsonbContainer *object, char **currency)
{
	JsonbValue *value = get_member(object, "currency");

	*currency = NULL;
	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		return "\"currency\" is not a string.";
	*currency = pnstrdup(value->val.string.val, value->val.string.len);
	if (strlen(*currency) != 3 ||
		strspn(*currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		return psprintf("\"currency\" is \"%s\", which is not a code of three capital letters.",
						jo_clipped(*currency));
	return NULL;
}
