// apus-auth: checks who may connect. What it does is in the module Auth.

import Auth

AuthWorker.main()
