/** A page nobody sees, where a worker with the models may live: a service worker may start none. */

import { hostJudge } from '../../judge/host';

// Of the runtime API an offscreen page has but messages, so the version comes with its address.
hostJudge(new URLSearchParams(location.search).get('version') ?? '');
