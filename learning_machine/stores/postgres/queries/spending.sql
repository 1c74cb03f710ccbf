-- name: last_hour
select count(*) as calls, coalesce(sum(tokens), 0)::bigint as tokens,
       extract(epoch from min(at) + interval '1 hour' - clock_timestamp())::float8 as frees_in
from spending where machine = %(machine)s and at > clock_timestamp() - interval '1 hour';

-- name: note
with old as (delete from spending where machine = %(machine)s and at < clock_timestamp() - interval '1 day')
insert into spending (machine, tokens) values (%(machine)s, %(tokens)s);
