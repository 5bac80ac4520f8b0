// Sends one PUT of a training job config with the vendor's Node SDK: put.js ENDPOINT PROJECT FILE, the key in
// $AK and $SK. Prints the answer's status and body as JSON.
'use strict';
const fs = require('fs');
const { BasicCredentials } = require('@huaweicloud/huaweicloud-sdk-core/auth/BasicCredentials');
const { ClientBuilder } = require('@huaweicloud/huaweicloud-sdk-core/ClientBuilder');

const [endpoint, project, file] = process.argv.slice(2);
const credential = new BasicCredentials()
  .withAk(process.env.AK).withSk(process.env.SK).withProjectId(project);
const client = new ClientBuilder(c => c).withCredential(credential).withEndpoint(endpoint).build();

client.sendRequest({
  method: 'PUT',
  url: '/v1/{project_id}/training-job-configs/{config_name}',
  pathParams: { project_id: project, config_name: 'config1' },
  queryParams: {},
  headers: { 'content-type': 'application/json' },
  data: JSON.parse(fs.readFileSync(file)),
}).then(
  answer => console.log(JSON.stringify({ status: answer.httpStatusCode, body: answer })),
  error => console.log(JSON.stringify({ status: error.httpStatusCode, code: error.errorCode, text: error.errorMsg })),
);
